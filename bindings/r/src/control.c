/* Progress and Ctrl-C. The library calls back on R's thread, between pieces of its work; R code that ends in a jump
 * must not take the library's frames with it, so every look at R runs in a top level of its own. */
#include <stdio.h>

#include <R_ext/Utils.h>

#include "shim.h"

static void look_for_interrupt(void *unused) {
  (void)unused;
  R_CheckUserInterrupt();
}

static int32_t should_stop(void *user) {
  shim_listener *listener = user;
  if (!listener->stopped) listener->stopped = !R_ToplevelExec(look_for_interrupt, NULL);
  return listener->stopped;
}

typedef struct {
  SEXP function;
  double fraction;
  int go_on;
} tick_call;

static void evaluate_tick(void *data) {
  tick_call *tick = data;
  SEXP call = PROTECT(Rf_lang2(tick->function, PROTECT(Rf_ScalarReal(tick->fraction))));
  tick->go_on = Rf_asLogical(Rf_eval(call, R_BaseEnv)) == TRUE;
  UNPROTECT(2);
}

static void progress(double fraction, void *user) {
  shim_listener *listener = user;
  /* A few hundred steps are enough for any bar, and keep R code out of the loop. */
  if (listener->stopped || (fraction < listener->reported + 0.005 && fraction < 1)) return;
  listener->reported = fraction;
  tick_call tick = {listener->tick, fraction, 0};
  listener->stopped = !R_ToplevelExec(evaluate_tick, &tick) || !tick.go_on;
}

void shim_listen(shim_listener *listener, SEXP tick) {
  rct_control_init(&listener->control);
  listener->control.should_stop = should_stop;
  listener->control.progress = tick == R_NilValue ? NULL : progress;
  listener->control.user = listener;
  listener->tick = tick;
  listener->reported = -1;
  listener->stopped = 0;
}

SEXP shim_failure(rct_status status) {
  const char *names[] = {"status", "message", ""};
  /* Copied before R allocates anything: it may then run a finalizer, which calls the library. */
  char message[2048];
  snprintf(message, sizeof message, "%s", rct_last_error());
  SEXP failure = PROTECT(Rf_mkNamed(VECSXP, names));
  SET_VECTOR_ELT(failure, 0, Rf_mkString(rct_status_name(status)));
  SET_VECTOR_ELT(failure, 1, Rf_mkString(message));
  Rf_setAttrib(failure, R_ClassSymbol, PROTECT(Rf_mkString("rct_failure")));
  UNPROTECT(2);
  return failure;
}
