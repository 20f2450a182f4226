/* The command line of vecchia_house_sales. */
#ifndef SETTINGS_H
#define SETTINGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct settings {
  const char *csv;           /* file of houses */
  const char *out;           /* folder for neighbors.csv and map.svg, made if missing */
  size_t n;                  /* houses used, evenly spaced in the file; 0 = all */
  size_t m;                  /* inducing points */
  size_t k;                  /* neighbours of each house */
  double lengthscale;        /* metres */
  uint32_t threads;          /* 0 = all cores */
  int32_t ordering;          /* rct_ordering of the houses */
  const char *ordering_name; /* its name on the command line */
  int32_t construction;      /* rct_construction of the tree */
  bool brute_force;          /* compare with brute force over all houses */
  int64_t house;             /* row in the file of the house on the map; -1 = choose one */
} settings;

typedef enum settings_result { SETTINGS_OK, SETTINGS_HELP, SETTINGS_WRONG } settings_result;

/* Fills `s` from the arguments. SETTINGS_HELP: the usage was printed. SETTINGS_WRONG: so was a sentence on stderr. */
settings_result settings_parse(int argc, char **argv, settings *s);

#endif
