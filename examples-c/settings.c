#include "settings.h"

#include <errno.h>
#include <getopt.h>
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

static const struct option OPTIONS[] = {{"n", required_argument, NULL, 'n'},
                                        {"m", required_argument, NULL, 'm'},
                                        {"k", required_argument, NULL, 'k'},
                                        {"lengthscale", required_argument, NULL, 'l'},
                                        {"ordering", required_argument, NULL, 'o'},
                                        {"construction", required_argument, NULL, 'c'},
                                        {"threads", required_argument, NULL, 't'},
                                        {"no-brute-force", no_argument, NULL, 'b'},
                                        {"house", required_argument, NULL, 'r'},
                                        {"out", required_argument, NULL, 'd'},
                                        {"help", no_argument, NULL, 'h'},
                                        {NULL, 0, NULL, 0}};

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

/* The number that an option has; 0 if it is none that the option may have, and then `wrong` is set. */
static int64_t whole_number(const char *option, int64_t least, bool *wrong) {
  char *end = NULL;
  errno = 0;
  const long long parsed = strtoll(optarg, &end, 10);
  if (*optarg < '0' || *optarg > '9' || *end != '\0' || errno != 0 || parsed < least || parsed > INT32_MAX) {
    fprintf(stderr, "--%s must be a whole number from %" PRId64 " to %" PRId32 ", not '%s'\n", option, least, INT32_MAX,
            optarg);
    *wrong = true;
    return 0;
  }
  return parsed;
}

static double positive_number(const char *option, bool *wrong) {
  char *end = NULL;
  const double parsed = strtod(optarg, &end);
  if (end == optarg || *end != '\0' || !(parsed > 0) || isinf(parsed)) {
    fprintf(stderr, "--%s must be a positive number, not '%s'\n", option, optarg);
    *wrong = true;
  }
  return parsed;
}

static int32_t choose(const char *option, const choice *choices, bool *wrong) {
  for (const choice *c = choices; c->name != NULL; c++)
    if (strcmp(optarg, c->name) == 0) return c->value;
  fprintf(stderr, "--%s must be", option);
  for (const choice *c = choices; c->name != NULL; c++)
    fprintf(stderr, "%s %s", c == choices ? "" : c[1].name == NULL ? " or" : ",", c->name);
  fprintf(stderr, ", not '%s'\n", optarg);
  *wrong = true;
  return 0;
}

static const char *folder(const char *option, bool *wrong) {
  if (*optarg == '\0' || strlen(optarg) > LONGEST_PATH) {
    fprintf(stderr, "--%s must be the path of a folder, of at most %d characters\n", option, LONGEST_PATH);
    *wrong = true;
  }
  return optarg;
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
  bool wrong = false;
  int option, at = 0;
  while (!wrong && (option = getopt_long(argc, argv, "", OPTIONS, &at)) != -1) {
    const char *name = OPTIONS[at].name;
    switch (option) {
      case 'n': s->n = (size_t)whole_number(name, 1, &wrong); break;
      case 'm': s->m = (size_t)whole_number(name, 0, &wrong); break;
      case 'k': s->k = (size_t)whole_number(name, 1, &wrong); break;
      case 'l': s->lengthscale = positive_number(name, &wrong); break;
      case 'o':
        s->ordering = choose(name, ORDERINGS, &wrong);
        s->ordering_name = optarg;
        break;
      case 'c': s->construction = choose(name, CONSTRUCTIONS, &wrong); break;
      case 't': s->threads = (uint32_t)whole_number(name, 0, &wrong); break;
      case 'b': s->brute_force = false; break;
      case 'r': s->house = whole_number(name, 0, &wrong); break;
      case 'd': s->out = folder(name, &wrong); break;
      case 'h': fputs(USAGE, stdout); return SETTINGS_HELP;
      default: /* which getopt_long has named */
        fputs("--help lists the options\n", stderr);
        wrong = true;
    }
  }
  if (wrong) return SETTINGS_WRONG;
  if (optind < argc) s->csv = argv[optind++];
  if (optind < argc) {
    fprintf(stderr, "only one file of houses can be read, not also '%s'\n", argv[optind]);
    return SETTINGS_WRONG;
  }
  return SETTINGS_OK;
}
