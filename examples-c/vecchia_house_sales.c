/* The conditioning sets of a Vecchia approximation for 25,357 house sales, and a map that shows what they look like.
 *
 * A VIF Gaussian process explains the large scale of log prices by inducing points and the rest by a Vecchia
 * approximation, in which each house is conditioned on the earlier houses that it is most correlated with once the
 * inducing points are accounted for. This program finds those houses with rct, compares them with brute force, and
 * writes them to a file. --help lists the options; settings.c reads them, csv.c the houses, progress.c draws the bar,
 * residual_brute_force.c holds the definition in plain C, and map_svg.c draws the map. */
#define _POSIX_C_SOURCE 200809L /* mkdir */

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "csv.h"
#include "map_svg.h"
#include "progress.h"
#include "rct.h"
#include "residual_brute_force.h"
#include "settings.h"

enum { SEED = 1, CHECKED_HOUSES = 500, HOUSES_TO_CHOOSE_FROM = 200, EXIT_INTERRUPTED = 130 };

/* Everything to be freed at the end. Neighbours are n x k, row-major: row t for house order[t], -1 where none. */
typedef struct job {
  houses all;
  double *inducing;            /* m x 2 */
  int64_t *order;              /* order[rank] = house */
  size_t *rank;                /* rank[house] */
  int64_t *residual;           /* neighbours by residual correlation */
  int64_t *residual_brute;     /* the same by brute force */
  int64_t *euclidean;          /* neighbours by Euclidean distance */
  rct_tree *tree;
  rct_tree *brute_tree;
  rct_tree *euclidean_tree;
  residual_model model;
} job;

static void job_free(job *j) {
  rct_free(j->tree);
  rct_free(j->brute_tree);
  rct_free(j->euclidean_tree);
  residual_model_free(&j->model);
  free(j->inducing);
  free(j->order);
  free(j->rank);
  free(j->residual);
  free(j->residual_brute);
  free(j->euclidean);
  houses_free(&j->all);
}

/* Exit status of a library call: 0, or that of a failure, which is explained on stderr. */
static int outcome(const char *doing, rct_status status) {
  progress_done();
  if (status == RCT_OK) return EXIT_SUCCESS;
  if (status == RCT_ERROR_CANCELLED && progress_interrupted()) {
    fprintf(stderr, "interrupted while %s\n", doing);
    return EXIT_INTERRUPTED;
  }
  fprintf(stderr, "%s failed: %s (%s)\n", doing, rct_last_error(), rct_status_name(status));
  return EXIT_FAILURE;
}

/* The next number, below `bound`, of a linear congruential generator. */
static size_t random_below(size_t bound) {
  static uint64_t state = SEED;
  state = state * 6364136223846793005u + 1442695040888963407u;
  return (size_t)((state >> 33) % bound);
}

static size_t smaller(size_t a, size_t b) { return a < b ? a : b; }

/* Whether there is a house of that row among those used; its number. */
static bool find_house(const houses *all, int64_t row, size_t *house) {
  for (*house = 0; *house < all->n; ++*house)
    if (all->row[*house] == row) return true;
  fprintf(stderr, "--house is %" PRId64 ", but no such row of the file is among the %zu houses used\n", row, all->n);
  return false;
}

/* Reads the houses, makes the folder for the results and finds fault with the settings before anything takes long. */
static int load(const settings *s, job *j) {
  if (mkdir(s->out, 0777) != 0 && errno != EEXIST) {
    fprintf(stderr, "cannot make the folder %s: %s\n", s->out, strerror(errno));
    return EXIT_FAILURE;
  }
  if (!houses_read(s->csv, &j->all)) return EXIT_FAILURE;
  if (s->n > j->all.n) {
    fprintf(stderr, "--n is %zu, but %s has only %zu houses\n", s->n, s->csv, j->all.n);
    return EXIT_FAILURE;
  }
  if (s->n != 0) houses_thin(&j->all, s->n);
  if (s->m > j->all.n) {
    fprintf(stderr, "--m is %zu, but only %zu houses are used\n", s->m, j->all.n);
    return EXIT_FAILURE;
  }
  size_t house = 0;
  return s->house < 0 || find_house(&j->all, s->house, &house) ? EXIT_SUCCESS : EXIT_FAILURE;
}

/* Puts the houses in order and chooses inducing points. */
static int prepare(const settings *s, job *j) {
  const size_t n = j->all.n, m = s->m, cells = n * s->k;
  j->inducing = malloc((2 * m + 1) * sizeof *j->inducing);
  j->order = malloc(n * sizeof *j->order);
  j->rank = malloc(n * sizeof *j->rank);
  j->residual = malloc(cells * sizeof *j->residual);
  j->residual_brute = malloc(cells * sizeof *j->residual_brute);
  j->euclidean = malloc(cells * sizeof *j->euclidean);
  if (!j->inducing || !j->order || !j->rank || !j->residual || !j->residual_brute || !j->euclidean) {
    fprintf(stderr, "no memory for %zu houses with %zu neighbours\n", n, s->k);
    return EXIT_FAILURE;
  }

  const rct_matrix coords = rct_row_major(j->all.coords, n, 2);
  int failed = outcome("ordering the houses", rct_order(coords, s->ordering, SEED, rct_index_vector_out_of(j->order, n),
                                                        progress_of("ordering")));
  if (failed) return failed;
  for (size_t rank = 0; rank < n; rank++) j->rank[j->order[rank]] = rank;
  if (m == 0) return EXIT_SUCCESS;
  return outcome("choosing inducing points",
                 rct_select_inducing(coords, m, RCT_INDUCING_KMEANS_PLUS_PLUS, SEED,
                                     rct_row_major_out(j->inducing, m, 2), progress_of("inducing points")));
}

/* Builds a tree of the metric and searches it for the predecessors of every house. */
static int find_neighbors(const settings *s, const job *j, int32_t metric, int32_t traversal, const char *label,
                          rct_tree **tree, int64_t *neighbors) {
  const size_t n = j->all.n;
  rct_options options;
  rct_options_init(&options);
  options.metric = metric;
  options.kernel = RCT_KERNEL_MATERN32;
  options.lengthscale = s->lengthscale;
  options.construction = s->construction;
  options.traversal = traversal;
  options.threads = s->threads;
  int failed = outcome("making a tree", rct_create(&options, tree));
  if (failed) return failed;

  rct_data data;
  rct_data_init(&data);
  data.coords = rct_row_major(j->all.coords, n, 2);
  if (metric == RCT_METRIC_RESIDUAL && s->m > 0) data.inducing = rct_row_major(j->inducing, s->m, 2);
  char words[64];
  snprintf(words, sizeof words, "%s: tree", label);
  failed = outcome("building a tree", rct_build(*tree, &data, progress_of(words)));
  if (failed) return failed;

  rct_neighbors out = {rct_index_row_major_out(neighbors, n, s->k), {NULL, 0, 0, 0, 0}, {NULL, 0, 0}};
  snprintf(words, sizeof words, "%s: search", label);
  return outcome("searching", rct_vecchia_neighbors(*tree, s->k, rct_index_vector_of(j->order, n), &out,
                                                    progress_of(words)));
}

static rct_tree_stats stats_of(const rct_tree *tree) {
  rct_tree_stats stats;
  memset(&stats, 0, sizeof stats);
  stats.struct_size = sizeof stats;
  rct_stats(tree, &stats);
  return stats;
}

static void print_search(const rct_tree *tree, size_t k) {
  const rct_tree_stats stats = stats_of(tree);
  const double n = (double)stats.n;
  printf("n = %zu houses, m = %zu inducing points, k = %zu neighbours\n", stats.n, stats.m, k);
  printf("V and p      %8.3f s\n", stats.seconds_factor);
  printf("tree         %8.3f s\n", stats.seconds_order + stats.seconds_tree);
  printf("search       %8.3f s   %.0f evaluations a house, which has %.0f predecessors on average\n",
         stats.seconds_search, (double)stats.distance_evaluations / n, 0.5 * (n - 1.0));
}

/* The same job by the library's brute force: every house against all its predecessors, in blocks. */
static int compare_with_brute_force(const settings *s, job *j) {
  int failed = find_neighbors(s, j, RCT_METRIC_RESIDUAL, RCT_TRAVERSAL_BRUTE_FORCE, "brute force", &j->brute_tree,
                              j->residual_brute);
  if (failed) return failed;
  const rct_tree_stats tree = stats_of(j->tree), brute = stats_of(j->brute_tree);
  size_t same = 0;
  for (size_t t = 0; t < j->all.n; t++)
    same += memcmp(&j->residual[t * s->k], &j->residual_brute[t * s->k], s->k * sizeof(int64_t)) == 0;
  printf("brute force  %8.3f s   %zu of %zu houses have the same neighbours\n", brute.seconds_search, same, j->all.n);
  printf("             takes %.1f times as long as the search, %.1f times as long as tree and search\n",
         brute.seconds_search / tree.seconds_search,
         brute.seconds_search / (tree.seconds_order + tree.seconds_tree + tree.seconds_search));
  return same == j->all.n ? EXIT_SUCCESS : EXIT_FAILURE;
}

/* Whether the neighbours found for house order[rank] are the expected ones, or differ only where rounding decides. */
static bool agrees(const job *j, size_t rank, const int64_t *expected, size_t k) {
  const size_t house = (size_t)j->order[rank];
  const int64_t *found = &j->residual[rank * k];
  for (size_t c = 0; c < k; c++) {
    if (found[c] == expected[c]) continue;
    if (found[c] < 0 || expected[c] < 0 || j->rank[found[c]] >= rank) return false;
    for (size_t earlier = 0; earlier < c; earlier++)
      if (found[earlier] == found[c]) return false;
    const size_t a = (size_t)found[c], b = (size_t)expected[c];
    const double gap = residual_correlation(&j->model, house, a) - residual_correlation(&j->model, house, b);
    const double tolerance = residual_correlation_tolerance(&j->model, house, a) +
                             residual_correlation_tolerance(&j->model, house, b);
    if (gap > tolerance || gap < -tolerance) return false;
  }
  return true;
}

/* Compares random houses, one from each of 500 stretches of the ordering, with residual_brute_force.c. */
static int check_against_definition(const settings *s, job *j) {
  rct_options defaults;
  rct_options_init(&defaults);
  if (!residual_model_init(&j->model, j->all.coords, j->all.n, j->inducing, s->m, s->lengthscale, defaults.jitter,
                           defaults.residual_floor))
    return EXIT_FAILURE;
  int64_t *expected = malloc(s->k * sizeof *expected);
  const rct_control *control = progress_of("check in plain C");
  const size_t checked = smaller(CHECKED_HOUSES, j->all.n);
  size_t agreeing = 0;
  bool memory = expected != NULL;
  for (size_t c = 0; c < checked && memory && !progress_interrupted(); c++) {
    const size_t first = c * j->all.n / checked, past = (c + 1) * j->all.n / checked;
    const size_t rank = first + random_below(past - first);
    memory = residual_nearest(&j->model, (size_t)j->order[rank], j->order, rank, s->k, expected);
    if (memory) agreeing += agrees(j, rank, expected, s->k);
    if (control->progress != NULL) control->progress((double)(c + 1) / (double)checked, control->user);
  }
  free(expected);
  if (progress_interrupted()) return outcome("checking", RCT_ERROR_CANCELLED);
  progress_done();
  if (!memory) {
    fprintf(stderr, "no memory for the check\n");
    return EXIT_FAILURE;
  }
  printf("check        %zu of %zu points agree with the definition in plain C\n", agreeing, checked);
  return agreeing == checked ? EXIT_SUCCESS : EXIT_FAILURE;
}

/* How many residual neighbours of house order[rank] are not among its Euclidean ones. */
static size_t sets_differ(const job *j, size_t rank, size_t k) {
  size_t differ = k;
  for (size_t a = rank * k; a < (rank + 1) * k; a++)
    for (size_t b = rank * k; b < (rank + 1) * k; b++)
      if (j->residual[a] == j->euclidean[b]) {
        differ--;
        break;
      }
  return differ;
}

/* The rank of the house asked for, or of 200 random ones in the last fifth of the ordering the one whose sets differ
 * most. */
static size_t choose_house(const settings *s, const job *j) {
  const size_t n = j->all.n, late = smaller(n, n / 5 + 1), tried = smaller(HOUSES_TO_CHOOSE_FROM, late);
  size_t house = 0, rank = n - 1;
  if (s->house >= 0 && find_house(&j->all, s->house, &house)) return j->rank[house];
  for (size_t c = 0; c < tried; c++) {
    const size_t candidate = n - 1 - random_below(late);
    if (sets_differ(j, candidate, s->k) > sets_differ(j, rank, s->k)) rank = candidate;
  }
  return rank;
}

static int write_results(const settings *s, job *j) {
  int failed = find_neighbors(s, j, RCT_METRIC_EUCLIDEAN, RCT_TRAVERSAL_AUTO, "Euclidean", &j->euclidean_tree,
                              j->euclidean);
  if (failed) return failed;
  const size_t rank = choose_house(s, j), house = (size_t)j->order[rank], differ = sets_differ(j, rank, s->k);
  char path[4096], title[160], subtitle[240], sales[48];
  snprintf(path, sizeof path, "%s/neighbors.csv", s->out);
  if (!neighbors_write(path, &j->all, j->order, j->residual, s->k)) return EXIT_FAILURE;
  printf("wrote        %s\n", path);

  if (j->all.n < 1000) snprintf(sales, sizeof sales, "%zu", j->all.n);
  else snprintf(sales, sizeof sales, "%zu,%03zu", j->all.n / 1000, j->all.n % 1000);
  snprintf(title, sizeof title, "What house %" PRId64 " is conditioned on, by residual correlation and by distance",
           j->all.row[house]);
  snprintf(subtitle, sizeof subtitle,
           "%s house sales, Lucas County, Ohio. %zu inducing points, Mat\xc3\xa9rn-3/2, lengthscale %g km, "
           "%s ordering. %zu of %zu neighbours differ.", sales, s->m, s->lengthscale / 1000.0, s->ordering_name,
           differ, s->k);
  const house_map map = {title, subtitle, j->all.n, j->all.coords, j->rank, s->m, j->inducing, house, s->k,
                         &j->residual[rank * s->k], &j->euclidean[rank * s->k]};
  snprintf(path, sizeof path, "%s/map.svg", s->out);
  if (!map_svg_write(path, &map)) return EXIT_FAILURE;
  printf("wrote        %s   house %" PRId64 ": %zu of its %zu residual neighbours are not its Euclidean ones\n", path,
         j->all.row[house], differ, s->k);
  return EXIT_SUCCESS;
}

int main(int argc, char **argv) {
  settings s;
  switch (settings_parse(argc, argv, &s)) {
    case SETTINGS_HELP: return EXIT_SUCCESS;
    case SETTINGS_WRONG: return 2;
    case SETTINGS_OK: break;
  }
  progress_watch_interrupt();
  job j;
  memset(&j, 0, sizeof j);
  int failed = load(&s, &j);
  if (!failed) failed = prepare(&s, &j);
  if (!failed)
    failed = find_neighbors(&s, &j, RCT_METRIC_RESIDUAL, RCT_TRAVERSAL_AUTO, "residual", &j.tree, j.residual);
  if (!failed) print_search(j.tree, s.k);
  if (!failed && s.brute_force) failed = compare_with_brute_force(&s, &j);
  if (!failed) failed = check_against_definition(&s, &j);
  if (!failed) failed = write_results(&s, &j);
  job_free(&j);
  return failed;
}
