#include "settings.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "rct.h"

enum { LONGEST_PATH = 4000 };

static const char USAGE[] =
    "usage: vecchia_house_sales [options] [house_sales.csv]\n"
    "\n"
    "Finds the houses that a Vecchia approximation conditions each house on, checks them by brute force, draws a map.\n"
    "\n"
    "  --n N              houses, evenly spaced in the file (all)\n"
    "  --m M              inducing points, k-means++ (200)\n"
    "  --k K              neighbours of each house (30)\n"
    "  --lengthscale L    metres, of the Matern-3/2 kernel (2900)\n"
    "  --ordering O       maximin, random, hilbert or natural (maximin)\n"
    "  --construction C   pure or hybrid (hybrid)\n"
    "  --threads T        0 for all cores (0)\n"
    "  --no-brute-force   skip the comparison over all houses\n"
    "  --house ROW        the house on the map, by its row in the file from 0 (one where the sets differ most)\n"
    "  --out DIR          folder for neighbors.csv and map.svg (out)\n"
    "  --help\n";

typedef struct choice {
  const char *name;
  int32_t value;
} choice;

static const choice ORDERINGS[] = {{"maximin", RCT_ORDERING_MAXIMIN},
                                   {"random", RCT_ORDERING_RANDOM},
                                   {"hilbert", RCT_ORDERING_HILBERT},
                                   {"natural", RCT_ORDERING_NATURAL},
                                   {NULL, 0}};

static const choice CONSTRUCTIONS[] = {{"pure", RCT_CONSTRUCTION_PURE}, {"hybrid", RCT_CONSTRUCTION_HYBRID}, {NULL, 0}};

static bool whole_number(const char *option, const char *text, uint64_t least, uint64_t most, uint64_t *value) {
  char *end = NULL;
  errno = 0;
  const unsigned long long parsed = strtoull(text, &end, 10);
  if (*text < '0' || *text > '9' || *end != '\0' || errno != 0 || parsed < least || parsed > most) {
    fprintf(stderr, "%s must be a whole number from %" PRIu64 " to %" PRIu64 ", not '%s'\n", option, least, most, text);
    return false;
  }
  *value = parsed;
  return true;
}

static bool positive_number(const char *option, const char *text, double *value) {
  char *end = NULL;
  const double parsed = strtod(text, &end);
  if (end == text || *end != '\0' || !(parsed > 0) || isinf(parsed)) {
    fprintf(stderr, "%s must be a positive number, not '%s'\n", option, text);
    return false;
  }
  *value = parsed;
  return true;
}

static bool choose(const char *option, const char *text, const choice *choices, int32_t *value) {
  for (const choice *c = choices; c->name != NULL; c++)
    if (strcmp(text, c->name) == 0) {
      *value = c->value;
      return true;
    }
  fprintf(stderr, "%s must be", option);
  for (const choice *c = choices; c->name != NULL; c++)
    fprintf(stderr, "%s %s", c == choices ? "" : c[1].name == NULL ? " or" : ",", c->name);
  fprintf(stderr, ", not '%s'\n", text);
  return false;
}

/* Takes one option that has a value. */
static bool take(settings *s, const char *option, const char *text) {
  const uint64_t many = INT32_MAX;
  uint64_t count = 0;
  if (strcmp(option, "--n") == 0) {
    if (!whole_number(option, text, 1, many, &count)) return false;
    s->n = (size_t)count;
  } else if (strcmp(option, "--m") == 0) {
    if (!whole_number(option, text, 0, many, &count)) return false;
    s->m = (size_t)count;
  } else if (strcmp(option, "--k") == 0) {
    if (!whole_number(option, text, 1, many, &count)) return false;
    s->k = (size_t)count;
  } else if (strcmp(option, "--threads") == 0) {
    if (!whole_number(option, text, 0, many, &count)) return false;
    s->threads = (uint32_t)count;
  } else if (strcmp(option, "--house") == 0) {
    if (!whole_number(option, text, 0, many, &count)) return false;
    s->house = (int64_t)count;
  } else if (strcmp(option, "--lengthscale") == 0) {
    return positive_number(option, text, &s->lengthscale);
  } else if (strcmp(option, "--ordering") == 0) {
    s->ordering_name = text;
    return choose(option, text, ORDERINGS, &s->ordering);
  } else if (strcmp(option, "--construction") == 0) {
    return choose(option, text, CONSTRUCTIONS, &s->construction);
  } else if (strcmp(option, "--out") == 0) {
    if (*text == '\0' || strlen(text) > LONGEST_PATH) {
      fprintf(stderr, "--out must be the path of a folder, of at most %d characters\n", LONGEST_PATH);
      return false;
    }
    s->out = text;
  } else {
    fprintf(stderr, "there is no option %s; --help lists them\n", option);
    return false;
  }
  return true;
}

settings_result settings_parse(int argc, char **argv, settings *s) {
  *s = (settings){
      .csv = "house_sales.csv",
      .out = "out",
      .m = 200,
      .k = 30,
      /* The least-squares fit of a Matern-3/2 plus nugget to the empirical semivariogram of log price up to 10 km (40
       * bins; sill 0.52, nugget 0.09); fits up to 5 and 15 km give 3.0 to 3.6 km. Maximum likelihood, which weighs
       * short distances most, gives 570 m. */
      .lengthscale = 2900.0,
      .ordering = RCT_ORDERING_MAXIMIN,
      .ordering_name = "maximin",
      .construction = RCT_CONSTRUCTION_HYBRID, /* built faster; the neighbours are the same */
      .brute_force = true,
      .house = -1,
  };
  bool have_csv = false;
  for (int i = 1; i < argc; i++) {
    if (strcmp(argv[i], "--help") == 0) {
      fputs(USAGE, stdout);
      return SETTINGS_HELP;
    } else if (strcmp(argv[i], "--no-brute-force") == 0) {
      s->brute_force = false;
    } else if (argv[i][0] == '-') {
      if (i + 1 == argc) {
        fprintf(stderr, "%s is no option, or needs a value; --help lists the options\n", argv[i]);
        return SETTINGS_WRONG;
      }
      if (!take(s, argv[i], argv[i + 1])) return SETTINGS_WRONG;
      i++;
    } else if (have_csv) {
      fprintf(stderr, "only one file of houses can be read, not also '%s'\n", argv[i]);
      return SETTINGS_WRONG;
    } else {
      s->csv = argv[i];
      have_csv = true;
    }
  }
  return SETTINGS_OK;
}
