/* What the C++ tests share: the harness and the oracle of the C tests, and what C++ adds to them. */
#ifndef RCT_TESTS_SUPPORT_HPP
#define RCT_TESTS_SUPPORT_HPP

#include <cstring>
#include <string>
#include <vector>

#include "../c/answer.h"
#include "../c/check.h"
#include "../c/problem.h"
#include "rct.hpp"

/* The statement throws an rct::Error with this status, whose message has `words`. */
#define CHECK_THROWS(statement, expected, words)                                                           \
  do {                                                                                                     \
    rct_status status_found = RCT_OK;                                                                      \
    std::string message_found;                                                                             \
    try {                                                                                                  \
      statement;                                                                                           \
    } catch (const rct::Error &error) {                                                                    \
      status_found = error.status();                                                                       \
      message_found = error.what();                                                                        \
    }                                                                                                      \
    const bool as_expected = status_found == (expected) && message_found.find(words) != std::string::npos; \
    const std::string what =                                                                               \
        std::string(#statement " throws ") + rct_status_name(status_found) + ": " + message_found;         \
    check_that(as_expected ? 1 : 0, what.c_str(), __FILE__, __LINE__);                                     \
  } while (false)

/* `count` numbers of [0, 1). */
inline std::vector<double> uniform(std::size_t count, std::uint64_t seed) {
  std::vector<double> values(count);
  for (double &value : values) value = next_uniform(&seed);
  return values;
}

/* A problem of the C tests, and its oracle, which has `fresh` points of its own more. */
struct Problem {
  problem given;
  std::vector<double> fresh;
  oracle truth;

  Problem(std::size_t n, std::size_t d, std::size_t m, std::size_t more, std::uint64_t seed)
      : given(problem_new(n, d, m, seed)), fresh(uniform(more * d, seed + 1)),
        truth(problem_oracle_with(&given, fresh.data(), more)) {}
  Problem(const Problem &) = delete;
  Problem &operator=(const Problem &) = delete;
  ~Problem() {
    oracle_free(&truth);
    problem_free(&given);
  }
};

/* Of lengthscale 1, as the C tests have them. */
inline rct::Options unit_options() { return rct::Options().lengthscale(1); }

/* 0, 1, ..., count - 1. */
inline std::vector<std::int64_t> ids_up_to(std::size_t count) {
  std::vector<std::int64_t> ids(count);
  for (std::size_t i = 0; i < count; i++) ids[i] = static_cast<std::int64_t>(i);
  return ids;
}

/* The answer as the C tests hold it; it belongs to `found`. */
inline answer as_answer(rct::Neighbors &found) {
  answer given;
  given.queries = found.queries;
  given.k = found.k;
  given.ids = found.ids.data();
  given.distances = found.distances.data();
  given.counts = found.counts.data();
  return given;
}

/* Equal to the last bit. */
inline bool same(const rct::Neighbors &a, const rct::Neighbors &b) {
  return a.queries == b.queries && a.k == b.k && a.ids == b.ids && a.distances == b.distances && a.counts == b.counts;
}

#endif
