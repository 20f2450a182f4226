/* A progress bar on a terminal, and a clean stop at Ctrl-C, for calls that take an rct_control. */
#ifndef PROGRESS_H
#define PROGRESS_H

#include <stdbool.h>

#include "rct.h"

/* From here on Ctrl-C asks the running call to stop; a second Ctrl-C ends the program as usual. */
void progress_watch_interrupt(void);

/* Whether Ctrl-C was pressed. */
bool progress_interrupted(void);

/* The control of the call that follows: its bar, on stderr where that is a terminal, is headed by `label`. */
const rct_control *progress_of(const char *label);

/* Clears the bar. */
void progress_done(void);

#endif
