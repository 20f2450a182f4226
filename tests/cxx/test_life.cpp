/* A tree that lives: it grows, is refitted, saved and loaded, and answers as one that is built at once. */
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <fstream>
#include <limits>

#include "support.hpp"

namespace {

constexpr std::size_t N = 300, D = 2, M = 20, K = 7;

const std::vector<double> coords = uniform(N * D, 41), inducing = uniform(M * D, 42);

rct::MatrixView<const double> rows(std::size_t first, std::size_t last) {
  return rct::row_major(coords.data() + first * D, last - first, D);
}

rct::Options usual() { return rct::Options().lengthscale(0.3).threads(1); }

void drop(rct::Tree &tree, const std::vector<std::int64_t> &ids, const rct::Control &control = rct::Control()) {
  tree.remove(ids, control);
}

/* Multiples of 7. */
std::vector<std::int64_t> gone() {
  std::vector<std::int64_t> ids;
  for (std::size_t i = 0; i < N; i += 7) ids.push_back(static_cast<std::int64_t>(i));
  return ids;
}

std::vector<std::int64_t> present() {
  const std::vector<std::int64_t> removed = gone();
  std::vector<std::int64_t> ids;
  for (const std::int64_t id : ids_up_to(N))
    if (!std::binary_search(removed.begin(), removed.end(), id)) ids.push_back(id);
  return ids;
}

/* Coordinates of all points that are present. */
std::vector<double> present_coords() {
  std::vector<double> values;
  for (const std::int64_t id : present())
    for (std::size_t j = 0; j < D; j++) values.push_back(coords[static_cast<std::size_t>(id) * D + j]);
  return values;
}

/* Built of 200 points, grown to 300, less the multiples of 7. */
rct::Tree grown(const rct::Options &options) {
  rct::Tree tree(options, rct::Data(rows(0, 200)).inducing(rct::row_major(inducing, D)));
  CHECK(tree.insert(rows(200, 220)) == 200);
  CHECK(tree.insert(rows(220, N)) == 220);
  drop(tree, gone());
  return tree;
}

/* Whether a grown tree answers as one of the same points that is built with these options and inducing points. */
bool as_built(const rct::Tree &tree, const rct::Options &options, rct::MatrixView<const double> z) {
  const std::vector<double> points = present_coords();
  const std::vector<std::int64_t> ids = present(), numbers = ids_up_to(ids.size());
  const rct::Tree anew(options, rct::Data(rct::row_major(points, D)).inducing(z));
  const auto equal = [&](const rct::Neighbors &found, const rct::Neighbors &expected) {
    bool all = found.queries == expected.queries && found.counts == expected.counts;
    for (std::size_t i = 0; all && i < found.ids.size(); i++) {
      const std::int64_t number = expected.ids[i];
      all = found.ids[i] == (number < 0 ? -1 : ids[static_cast<std::size_t>(number)]) &&
            (number < 0 || std::fabs(found.distances[i] - expected.distances[i]) < 1e-9);
    }
    return all;
  };
  tree.validate();
  return equal(tree.vecchia_neighbors(K), anew.vecchia_neighbors(K)) &&
         equal(tree.query_batch(rct::Query::of_ids(ids, K)), anew.query_batch(rct::Query::of_ids(numbers, K))) &&
         tree.stats().n == ids.size();
}

void growing() {
  const rct::Tree tree = grown(usual());
  CHECK(as_built(tree, usual(), rct::row_major(inducing, D)));
  rct::Tree other(usual(), rct::Data(rows(0, 290)));
  other.insert(rows(290, N));
  drop(other, {3});
  CHECK(other.stats().parts == 2 && other.stats().removed == 1 && other.stats().n == N - 1);
  drop(other, {299, 0});
  CHECK(other.stats().n == N - 3);
}

void all_points_may_go() {
  rct::Tree tree(usual(), rows(0, 10));
  drop(tree, ids_up_to(10));
  CHECK(tree.vecchia_neighbors(K).ids.empty());
  CHECK(tree.query_batch(rct::Query::of_points(rows(3, 4), 1)).ids == std::vector<std::int64_t>{-1});
  CHECK(tree.insert(rows(3, 5)) == 10);
  CHECK(tree.query_batch(rct::Query::of_points(rows(3, 4), 1)).ids == std::vector<std::int64_t>{10});
}

void refitting() {
  rct::Tree tree = grown(usual());
  const rct::Options other = usual().kernel(rct::Kernel::matern52).lengthscales({0.2, 0.4}).jitter(1e-5);
  tree.refit(other);
  CHECK(as_built(tree, other, rct::row_major(inducing, D)));
  const auto few = rct::row_major(inducing.data(), 5, D);
  tree.refit(usual(), rct::Model().inducing(few));
  CHECK(tree.stats().m == 5 && as_built(tree, usual(), few));
}

/* The tree has its own share of a covariance, and lets go of the one before. */
void refitting_to_a_covariance_and_back() {
  rct::Tree tree(usual(), rows(0, 60));
  const rct::Neighbors expected = rct::Tree(usual().lengthscale(0.5), rows(0, 60)).vecchia_neighbors(K);
  const auto alive = std::make_shared<int>(0);
  {
    const auto covariance = [alive](rct::Span<const double> x, rct::Span<const double> y) {
      const double r = std::sqrt(3.0) * std::hypot((x[0] - y[0]) / 0.5, (x[1] - y[1]) / 0.5);
      return (1 + r) * std::exp(-r);
    };
    tree.refit(usual().covariance(covariance));
  }
  CHECK(alive.use_count() == 2);
  CHECK(tree.vecchia_neighbors(K).ids == expected.ids);
  CHECK_THROWS(tree.to_buffer(), RCT_ERROR_UNSUPPORTED, "covariance");

  struct Mine {};
  const auto throwing = [](rct::Span<const double>, rct::Span<const double>) -> double { throw Mine(); };
  bool thrown = false;
  try {
    tree.refit(usual().covariance(throwing));
  } catch (const Mine &) {
    thrown = true;
  }
  CHECK(thrown && alive.use_count() == 2);
  CHECK(tree.vecchia_neighbors(K).ids == expected.ids);
  tree.refit(usual().lengthscale(0.5));
  CHECK(alive.use_count() == 1 && same(tree.vecchia_neighbors(K), expected));
}

void a_factor_of_the_callers() {
  const std::vector<double> factor = uniform(N * 3, 43), other = uniform(N * 2, 44);
  std::vector<double> v = factor, w = other, p(N);
  for (double &x : v) x *= 0.3;
  for (double &x : w) x *= 0.3;
  for (std::size_t i = 0; i < N; i++) p[i] = 1.1 - (v[3 * i] * v[3 * i] + v[3 * i + 1] * v[3 * i + 1]);
  const auto whole = rct::Data(rows(0, N)).factor(rct::row_major(v, 3)).residual_variances(p);
  rct::Tree tree(usual(), rct::Data(rows(0, 200)).factor({v.data(), 200, 3, 3, 1}).residual_variances({p.data(), 200}));
  CHECK_THROWS(tree.insert(rows(200, N)), RCT_ERROR_INVALID_ARGUMENT, "factor");
  tree.insert(rct::Data(rows(200, N)).factor({v.data() + 600, 100, 3, 3, 1}).residual_variances({p.data() + 200, 100}));
  CHECK(tree.vecchia_neighbors(K).ids == rct::Tree(usual(), whole).vecchia_neighbors(K).ids);
  CHECK_THROWS(tree.refit(usual()), RCT_ERROR_INVALID_ARGUMENT, "factor");
  for (std::size_t i = 0; i < N; i++) p[i] = 1.2;
  tree.refit(usual(), rct::Model().factor(rct::row_major(w, 2)).residual_variances(p));
  const rct::Tree anew(usual(), rct::Data(rows(0, N)).factor(rct::row_major(w, 2)).residual_variances(p));
  CHECK(tree.stats().m == 2 && tree.vecchia_neighbors(K).ids == anew.vecchia_neighbors(K).ids);
}

/* A name in a folder of its own, which goes with it. */
struct Folder {
  char name[32] = "/tmp/rct-life-XXXXXX";
  std::string file;
  Folder() {
    CHECK(mkdtemp(name) != nullptr);
    file = std::string(name) + "/tree.rct";
  }
  Folder(const Folder &) = delete;
  Folder &operator=(const Folder &) = delete;
  ~Folder() {
    std::remove(file.c_str());
    CHECK(rmdir(name) == 0);
  }
};

void saving_and_loading() {
  const Folder folder;
  const rct::Tree tree = grown(usual());
  const rct::Neighbors expected = tree.vecchia_neighbors(K);
  tree.save(folder.file);
  tree.save(folder.file);
  const std::vector<std::uint8_t> bytes = tree.to_buffer();
  std::ifstream in(folder.file, std::ios::binary);
  const std::vector<char> written{std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
  CHECK(written.size() == bytes.size() && std::memcmp(written.data(), bytes.data(), bytes.size()) == 0);

  std::vector<rct::Tree> loaded;
  loaded.push_back(rct::Tree::load(folder.file));
  loaded.push_back(rct::Tree::load(folder.file, rct::LoadOptions().threads(2)));
  loaded.push_back(rct::Tree::load(folder.file, rct::LoadOptions().memory_map()));
  loaded.push_back(rct::Tree::from_buffer(bytes));
  loaded.push_back(rct::Tree::from_buffer(rct::Span<const std::uint8_t>(bytes.data(), bytes.size())));
  for (rct::Tree &other : loaded) {
    CHECK(same(other.vecchia_neighbors(K), expected));
    CHECK(other.insert(rows(0, 1)) == static_cast<std::int64_t>(N));
    drop(other, {static_cast<std::int64_t>(N)});
    other.refit(usual());
    CHECK(as_built(other, usual(), rct::row_major(inducing, D)));
  }
}

void what_is_no_tree() {
  const Folder folder;
  const rct::Tree tree = grown(usual());
  std::vector<std::uint8_t> bytes = tree.to_buffer();
  CHECK_THROWS(rct::Tree::load(folder.file), RCT_ERROR_IO, "tree.rct");
  CHECK_THROWS(rct::Tree::load(std::string("a\0b", 3)), RCT_ERROR_INVALID_ARGUMENT, "NUL");
  CHECK_THROWS(tree.save(std::string("a\0b", 3)), RCT_ERROR_INVALID_ARGUMENT, "NUL");
  CHECK_THROWS(tree.save(""), RCT_ERROR_INVALID_ARGUMENT, "path");
  CHECK_THROWS(rct::Tree::from_buffer(std::vector<std::uint8_t>()), RCT_ERROR_CORRUPT, "");
  const rct::LoadOptions map = rct::LoadOptions().memory_map(), many = rct::LoadOptions().threads(100000);
  CHECK_THROWS(rct::Tree::from_buffer(bytes, map), RCT_ERROR_INVALID_ARGUMENT, "memory_map");
  CHECK_THROWS(rct::LoadOptions().threads(3000000000u), RCT_ERROR_INVALID_ARGUMENT, "3000000000");
  CHECK_THROWS(rct::Tree::from_buffer(bytes, many), RCT_ERROR_INVALID_ARGUMENT, "threads");
  CHECK_THROWS(rct::Tree(usual()).save(folder.file), RCT_ERROR_INVALID_STATE, "build");
  for (const std::size_t at : {std::size_t{0}, bytes.size() / 2, bytes.size() - 1}) {
    bytes[at] ^= 1;
    CHECK_THROWS(rct::Tree::from_buffer(bytes), RCT_ERROR_CORRUPT, "");
    bytes[at] ^= 1;
    CHECK_THROWS(rct::Tree::from_buffer(rct::Span<const std::uint8_t>(bytes.data(), at)), RCT_ERROR_CORRUPT, "");
  }
  CHECK(same(rct::Tree::from_buffer(bytes).vecchia_neighbors(K), tree.vecchia_neighbors(K)));
}

void a_failed_call_changes_nothing() {
  const Folder folder;
  rct::Tree tree = grown(usual());
  const rct::Neighbors before = tree.vecchia_neighbors(K);
  std::vector<double> bad = coords;
  bad[7] = std::numeric_limits<double>::quiet_NaN();
  CHECK_THROWS(tree.insert(rct::row_major(bad, D)), RCT_ERROR_NOT_FINITE, "coords");
  CHECK_THROWS(tree.insert(rct::row_major(coords, 3)), RCT_ERROR_INVALID_ARGUMENT, "3 columns");
  CHECK_THROWS(drop(tree, {1, 14}), RCT_ERROR_INVALID_ARGUMENT, "14");
  CHECK_THROWS(drop(tree, {1, 1}), RCT_ERROR_INVALID_ARGUMENT, "twice");
  CHECK_THROWS(tree.refit(usual().variance(-2.5)), RCT_ERROR_INVALID_ARGUMENT, "-2.5");
  CHECK_THROWS(tree.refit(usual().metric(rct::Metric::euclidean)), RCT_ERROR_INVALID_ARGUMENT, "metric");
  CHECK_THROWS(tree.refit(usual(), rct::Model().inducing(rct::row_major(bad, D))), RCT_ERROR_NOT_FINITE, "inducing");
  const rct::Control stop = rct::Control().should_stop([] { return true; });
  CHECK_THROWS(tree.insert(rows(0, 200), stop), RCT_ERROR_CANCELLED, "stop");
  CHECK_THROWS(drop(tree, present(), stop), RCT_ERROR_CANCELLED, "stop");
  CHECK_THROWS(tree.refit(usual().lengthscale(0.5), rct::Model(), stop), RCT_ERROR_CANCELLED, "stop");
  CHECK_THROWS(tree.save(folder.file, stop), RCT_ERROR_CANCELLED, "stop");
  CHECK_THROWS(tree.to_buffer(stop), RCT_ERROR_CANCELLED, "stop");
  CHECK_THROWS(rct::Tree::from_buffer(tree.to_buffer(), rct::LoadOptions(), stop), RCT_ERROR_CANCELLED, "stop");
  CHECK(same(tree.vecchia_neighbors(K), before));
  CHECK(tree.insert(rows(0, 1)) == static_cast<std::int64_t>(N));
}

/* The lines of README.md. */
void the_lines_of_the_readme() {
  const Folder folder;
  const std::string &path = folder.file;
  const auto points = rows(0, 200), more = rows(200, N);
  rct::Tree tree(rct::Options().lengthscale(0.3), points);

  const std::int64_t first = tree.insert(more);  // its id; those of the others follow
  const std::vector<std::int64_t> ids = {0, first};
  tree.remove(ids);                              // other ids stay, and these are not used again
  tree.refit(rct::Options().lengthscale(0.25));  // answers are those of a tree that is built anew
  tree.save(path);                               // or to_buffer
  const rct::Tree again = rct::Tree::load(path, rct::LoadOptions().memory_map());

  CHECK(first == 200 && same(again.vecchia_neighbors(K), tree.vecchia_neighbors(K)));
}

}  // namespace

int main() {
  RUN(growing);
  RUN(all_points_may_go);
  RUN(refitting);
  RUN(refitting_to_a_covariance_and_back);
  RUN(a_factor_of_the_callers);
  RUN(saving_and_loading);
  RUN(what_is_no_tree);
  RUN(a_failed_call_changes_nothing);
  RUN(the_lines_of_the_readme);
  return check_report();
}
