#define _POSIX_C_SOURCE 200809L /* sigaction, clock_gettime, isatty */

#include "progress.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { BAR_WIDTH = 40 };
static const double SECONDS_BETWEEN_DRAWINGS = 0.1;

static volatile sig_atomic_t interrupts = 0;
static bool bar_shown = false;

/* All a signal handler may safely do is set a flag; should_stop reads it, on the calling thread. */
static void on_interrupt(int signal_number) {
  (void)signal_number;
  interrupts = 1;
}

void progress_watch_interrupt(void) {
  struct sigaction action;
  memset(&action, 0, sizeof action);
  action.sa_handler = on_interrupt;
  action.sa_flags = (int)SA_RESETHAND;
  sigemptyset(&action.sa_mask);
  sigaction(SIGINT, &action, NULL);
}

bool progress_interrupted(void) { return interrupts != 0; }

static int32_t should_stop(void *user) {
  (void)user;
  return interrupts != 0;
}

static void draw_bar(double fraction, void *label) {
  static double drawn_at = 0.0;
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  const double seconds = (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
  if (bar_shown && seconds - drawn_at < SECONDS_BETWEEN_DRAWINGS) return;
  drawn_at = seconds;
  bar_shown = true;
  const int filled = (int)(fraction * BAR_WIDTH);
  fprintf(stderr, "\r%-32s [", (const char *)label);
  for (int i = 0; i < BAR_WIDTH; i++) fputc(i < filled ? '#' : '.', stderr);
  fprintf(stderr, "] %3d%%", (int)(100.0 * fraction));
  fflush(stderr);
}

const rct_control *progress_of(const char *label) {
  static rct_control control; /* one terminal, one bar */
  static char text[64];
  rct_control_init(&control);
  snprintf(text, sizeof text, "%s", label);
  control.user = text;
  control.should_stop = should_stop;
  if (isatty(STDERR_FILENO)) control.progress = draw_bar;
  return &control;
}

void progress_done(void) {
  if (bar_shown) fputs("\r\033[K", stderr);
  bar_shown = false;
}
