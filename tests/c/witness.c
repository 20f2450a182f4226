#include "witness.h"

#include <stdlib.h>

witness witness_new(witness_kind kind) {
  witness seen;
  seen.given = problem_new(WITNESS_N, WITNESS_D, kind == WITNESS_EUCLIDEAN ? 0 : WITNESS_M, 77);
  if (kind == WITNESS_EUCLIDEAN) seen.given.options.metric = RCT_METRIC_EUCLIDEAN;
  oracle truth = problem_oracle(&seen.given);
  rct_data data = seen.given.data;
  if (kind == WITNESS_FACTOR || kind == WITNESS_FACTOR_AND_RESIDUALS) {
    data.inducing = no_matrix();
    data.factor = rct_row_major(truth.factor, WITNESS_N, WITNESS_M);
  }
  if (kind == WITNESS_FACTOR_AND_RESIDUALS) data.residual_variances = rct_vector_of(truth.residuals, WITNESS_N);
  seen.tree = tree_of(&seen.given.options, &data);
  seen.unbuilt = NULL;
  CHECK_OK(rct_create(&seen.given.options, &seen.unbuilt));
  seen.ids = count_up(WITNESS_N);
  seen.query = query_of_ids(seen.ids, WITNESS_N, WITNESS_K);
  seen.expected = ask(seen.tree, &seen.query);
  check_answer(&truth, WITNESS_N, &seen.query, &seen.expected);
  seen.room = answer_new(WITNESS_N, WITNESS_K);
  seen.out = answer_out(&seen.room);
  oracle_free(&truth);
  return seen;
}

void witness_free(witness *seen) {
  answer_free(&seen->expected);
  answer_free(&seen->room);
  free(seen->ids);
  rct_free(seen->tree);
  rct_free(seen->unbuilt);
  problem_free(&seen->given);
}

int witness_unharmed(const witness *seen) {
  answer found = ask(seen->tree, &seen->query);
  const int as_before = answers_equal(&found, &seen->expected);
  answer_free(&found);
  rct_tree_stats stats;
  stats.struct_size = sizeof stats;
  return as_before && answer_untouched(&seen->room) && rct_stats(seen->unbuilt, &stats) == RCT_ERROR_INVALID_STATE;
}
