/* A small test harness: a failed check is printed and counted and the test goes on; a program with a failed check
 * exits with 1. Checks belong on the main thread. */
#ifndef RCT_TESTS_CHECK_H
#define RCT_TESTS_CHECK_H

#include "rct.h"

/* The condition holds. Each check is 1 if it held, else 0. */
#define CHECK(condition) check_that((condition) ? 1 : 0, #condition, __FILE__, __LINE__)

/* The call succeeds. */
#define CHECK_OK(call) check_ok((call), #call, __FILE__, __LINE__)

/* The call fails with this status, and its message, which is of this very call, has all the words: parts separated
 * by '|', for example "coords|[3, 1]|NaN". */
#define CHECK_STATUS(call, status, words) \
  (check_overwrite_last_error(), check_status((call), (status), (words), #call, __FILE__, __LINE__))

/* Runs a test, a function void (*)(void), and prints its name. */
#define RUN(test) check_run((test), #test)

/* What the following checks are about, printed with those that fail; as printf. Each test starts without. */
void check_context(const char *format, ...);

/* What main returns: prints how many checks were made, 0 if all held. */
int check_report(void);

/* Ends a forked child: its exit status is 0 if all of its own checks held. */
void check_exit_child(int failures_before_fork);

/* Checks that have failed so far. */
int check_failures(void);

int check_that(int held, const char *condition, const char *file, int line);
int check_ok(rct_status status, const char *call, const char *file, int line);
int check_status(rct_status status, rct_status expected, const char *words, const char *call, const char *file, int line);
void check_overwrite_last_error(void);
void check_run(void (*test)(void), const char *name);

#endif
