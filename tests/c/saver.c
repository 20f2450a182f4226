/* Saves trees over the file that the first argument names, one after the other, until somebody kills it; the second is
 * the number of the tree to begin with. Each tree was saved beside it before, under the same name with .0, .1 and .2
 * behind it; then "ready" is printed. */
#include <stdio.h>
#include <stdlib.h>

#include "check.h"
#include "problem.h"

enum { TREES = 3, D = 2 };

int main(int arguments, char **values) {
  static const size_t sizes[TREES] = {50, 3000, 800}, inducing[TREES] = {0, 40, 16};
  if (arguments != 3) return 2;
  rct_tree *trees[TREES];
  for (int t = 0; t < TREES; t++) {
    char beside[1024];
    const problem given = problem_new(sizes[t], D, inducing[t], (uint64_t)t);
    trees[t] = problem_tree(&given);
    snprintf(beside, sizeof beside, "%s.%d", values[1], t);
    CHECK_OK(rct_save(trees[t], beside, NULL));
  }
  if (check_failures() > 0) return 1;
  printf("ready\n");
  fflush(stdout);
  for (int round = atoi(values[2]);; round++)
    if (!CHECK_OK(rct_save(trees[round % TREES], values[1], NULL))) return 1;
}
