#define _POSIX_C_SOURCE 200809L
#include "check.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* A program that hangs is killed after this many seconds, so that it fails. */
enum { PATIENCE = 900 };

/* Failures printed for one test; the rest are only counted. */
enum { PRINTED = 20 };

static int checks, failures, failures_before_test;
static char context[512];

void check_context(const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(context, sizeof context, format, arguments);
  va_end(arguments);
}

int check_failures(void) { return failures; }

/* Counts a check; where it failed, says where, what about, and is followed by its own line. Whether to print. */
static int count(int held, const char *file, int line) {
  checks++;
  if (held) return 0;
  failures++;
  if (failures - failures_before_test > PRINTED) return 0;
  printf("%s:%d: FAILED", file, line);
  if (context[0] != '\0') printf(" (%s)", context);
  printf("\n");
  return 1;
}

int check_that(int held, const char *condition, const char *file, int line) {
  if (count(held, file, line)) printf("    %s\n", condition);
  return held;
}

int check_ok(rct_status status, const char *call, const char *file, int line) {
  const int held = status == RCT_OK;
  if (count(held, file, line)) printf("    %s\n    is %s: %s\n", call, rct_status_name(status), rct_last_error());
  return held;
}

/* Whether `text` has every part of `words`; '|' separates them. */
static int has_words(const char *text, const char *words) {
  char word[256];
  while (*words != '\0') {
    const size_t length = strcspn(words, "|");
    if (length >= sizeof word) return 0;
    memcpy(word, words, length);
    word[length] = '\0';
    if (strstr(text, word) == NULL) return 0;
    words += length;
    words += *words == '|';
  }
  return 1;
}

void check_overwrite_last_error(void) { rct_radius_result_view(NULL, NULL); }

int check_status(rct_status status, rct_status expected, const char *words, const char *call, const char *file,
                 int line) {
  const char *message = rct_last_error();
  const int held = status == expected && message[0] != '\0' && has_words(message, words);
  if (count(held, file, line)) {
    printf("    %s\n    is %s, expected %s with the words %s; rct_last_error: %s\n", call, rct_status_name(status),
           rct_status_name(expected), words, message);
  }
  return held;
}

void check_run(void (*test)(void), const char *name) {
  alarm(PATIENCE);
  context[0] = '\0';
  failures_before_test = failures;
  printf("test %s\n", name);
  fflush(stdout);
  test();
  const int failed = failures - failures_before_test;
  if (failed > PRINTED) printf("    and %d more\n", failed - PRINTED);
  if (failed > 0) printf("test %s FAILED\n", name);
  fflush(stdout);
}

int check_report(void) {
  printf("%d checks, %d failed\n", checks, failures);
  return failures == 0 ? 0 : 1;
}

void check_exit_child(int failures_before_fork) {
  fflush(stdout);
  _exit(failures == failures_before_fork ? 0 : 1);
}
