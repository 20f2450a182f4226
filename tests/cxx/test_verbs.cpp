/* Every verb gives what the definition says, through the types of rct.hpp. */
#include <algorithm>
#include <cmath>

#include "support.hpp"

namespace {

constexpr std::size_t N = 300, D = 3, M = 20, K = 7, NEW = 40;

/* A problem, and the same tree through rct.hpp. */
struct Fixture : Problem {
  rct::Tree tree{rct::Options().variance(1.7).lengthscale(0.3).threads(1),
                 rct::Data(rct::row_major(given.coords, N, D)).inducing(rct::row_major(given.inducing, M, D))};
  std::vector<std::int64_t> ids = ids_up_to(N);

  Fixture() : Problem(N, D, M, NEW, 11) {}
  /* Asks, and checks every row of the answer. The oracle has the stored points alone where the query is of ids. */
  void check(const rct::Query &query) const {
    rct::Neighbors found = tree.query_batch(query);
    const rct_query c = query.c();
    const answer held = as_answer(found);
    oracle points = truth;
    if (c.coords.data == nullptr) points.n = N;
    check_answer(&points, N, &c, &held);
  }
};

void stored_and_new_points() {
  const Fixture f;
  for (const rct::Traversal traversal : {rct::Traversal::automatic, rct::Traversal::best_first,
                                         rct::Traversal::level_synchronous, rct::Traversal::brute_force}) {
    rct::Query stored = rct::Query::of_ids(f.ids, K).traversal(traversal);
    f.check(stored);
    f.check(stored.exclude_self());
    const rct::Query fresh = rct::Query::of_points(rct::row_major(f.fresh, D), K).traversal(traversal);
    f.check(fresh);
  }
}

void limits_and_bounds_for_one_and_for_all() {
  const Fixture f;
  std::vector<std::int64_t> limits = f.ids;
  std::vector<double> bounds(N);
  for (std::size_t i = 0; i < N; i++) bounds[i] = 0.5 + 0.5 * static_cast<double>(i) / N;
  rct::Query query = rct::Query::of_ids(f.ids, K);
  f.check(query.id_limit(150));
  f.check(query.id_limits(limits));
  f.check(query.max_distance(0.8));
  f.check(query.max_distances(bounds));
  CHECK(f.tree.query_batch(query).counts[0] == 0);

  /* A copy has its own limit, and a later limit replaces an earlier one. */
  rct::Query one = rct::Query::of_ids(f.ids, K).id_limit(150);
  const rct::Query two = one;
  one.id_limit(10);
  f.check(two);
  const rct::Neighbors few = f.tree.query_batch(one);
  CHECK(*std::max_element(few.ids.begin(), few.ids.end()) == 9);
}

void vecchia() {
  const Fixture f;
  oracle stored = f.truth;
  stored.n = N;
  rct::Neighbors by_id = f.tree.vecchia_neighbors(K);
  answer held = as_answer(by_id);
  check_vecchia(&stored, nullptr, &held);
  CHECK(by_id.ids_of(0).empty() && by_id.ids_of(3).size() == 3 && by_id.ids_of(N - 1).size() == K);

  const std::vector<std::int64_t> order =
      rct::order(rct::row_major(static_cast<const double *>(f.given.coords), N, D), rct::Ordering::maximin);
  rct::Neighbors by_order = f.tree.vecchia_neighbors(K, order);
  held = as_answer(by_order);
  check_vecchia(&stored, order.data(), &held);
}

void answers_into_memory_of_the_callers() {
  const Fixture f;
  const rct::Neighbors expected = f.tree.query_batch(rct::Query::of_ids(f.ids, K));
  std::vector<std::int64_t> ids(N * K), counts(2 * N, -7);
  std::vector<double> distances(N * K);
  /* Column-major, and every second count. */
  const rct::NeighborsOut out{rct::col_major(ids, K), rct::col_major(distances, K), {counts.data(), N, 2}};
  f.tree.query_batch_into(rct::Query::of_ids(f.ids, K), out);
  bool equal = true;
  for (std::size_t i = 0; i < N; i++) {
    equal = equal && out.counts[i] == expected.counts[i] && counts[2 * i + 1] == -7;
    for (std::size_t j = 0; j < K; j++)
      equal = equal && out.ids(i, j) == expected.ids[i * K + j] && ids[j * N + i] == out.ids(i, j) &&
              out.distances(i, j) == expected.distances[i * K + j];
  }
  CHECK(equal);

  std::vector<std::int64_t> only_ids(N * K);
  f.tree.vecchia_neighbors_into(K, {}, {rct::row_major(only_ids, K)});
  CHECK(only_ids == f.tree.vecchia_neighbors(K).ids);
}

void radius() {
  const Fixture f;
  const double radius = 0.9;
  const rct::RadiusNeighbors found = f.tree.radius_batch(rct::Query::of_ids(f.ids).exclude_self(), radius);
  CHECK(found.queries == N && found.offsets.size() == N + 1 && found.ids.size() == found.offsets[N]);
  CHECK(found.ids.size() > N && found.ids.size() == found.distances.size());
  /* What both answers have is the same kind of thing in both. */
  const auto members = [](const auto &answer) {
    return answer.queries + static_cast<std::size_t>(answer.ids[0]) + answer.ids.size() + answer.distances.size();
  };
  CHECK(members(found) > 2 * N && members(f.tree.query_batch(rct::Query::of_ids(f.ids, K))) > 2 * N);
  /* All of each query, in the order of a query with k = n. */
  const rct::Neighbors all = f.tree.query_batch(rct::Query::of_ids(f.ids, N).exclude_self().max_distance(radius));
  bool equal = true;
  for (std::size_t i = 0; i < N; i++) {
    const auto ids = found.ids_of(i), expected = all.ids_of(i);
    equal = equal && std::equal(ids.begin(), ids.end(), expected.begin(), expected.end());
    const auto distances = found.distances_of(i), expected_distances = all.distances_of(i);
    equal =
        equal && std::equal(distances.begin(), distances.end(), expected_distances.begin(), expected_distances.end());
  }
  CHECK(equal);
}

void pairs() {
  const Fixture f;
  const std::vector<std::int64_t> i = {0, 5, 17, 17}, j = {3, 5, 250, 2};
  const std::vector<double> distances = f.tree.distances(i, j), correlations = f.tree.correlations(i, j);
  for (std::size_t t = 0; t < i.size(); t++) {
    const std::size_t a = static_cast<std::size_t>(i[t]), b = static_cast<std::size_t>(j[t]);
    CHECK(oracle_is_distance(&f.truth, a, b, distances[t]));
    CHECK(std::abs(correlations[t] - oracle_correlation(&f.truth, a, b)) < 1e-8);
  }
  /* A row of an answer is a vector too. */
  const rct::Neighbors row = f.tree.query_batch(rct::Query::of_ids(f.ids, K));
  const std::vector<std::int64_t> seventeen(K, 17);
  const std::vector<double> again = f.tree.distances(seventeen, row.ids_of(17));
  CHECK(std::equal(again.begin(), again.end(), row.distances_of(17).begin()));
}

void orders_and_inducing_points() {
  const std::vector<double> coords = uniform(N * D, 3);
  const auto view = rct::row_major(coords, D);
  CHECK(rct::order(view, rct::Ordering::natural) == ids_up_to(N));
  for (const rct::Ordering ordering : {rct::Ordering::hilbert, rct::Ordering::maximin, rct::Ordering::random}) {
    std::vector<std::int64_t> order = rct::order(view, ordering, 5);
    CHECK(order != ids_up_to(N));
    CHECK(order == rct::order(view, ordering, 5));
    CHECK((order == rct::order(view, ordering, 6)) == (ordering != rct::Ordering::random));
    std::sort(order.begin(), order.end());
    CHECK(order == ids_up_to(N));
  }
  const std::vector<double> subset = rct::select_inducing(view, M, rct::InducingMethod::random, 1);
  CHECK(subset.size() == M * D);
  for (std::size_t z = 0; z < M; z++) {
    bool found = false;
    for (std::size_t i = 0; i < N; i++)
      found = found || std::memcmp(&subset[z * D], &coords[i * D], D * sizeof(double)) == 0;
    CHECK(found);
  }
  const std::vector<double> centres = rct::select_inducing(view, M);
  CHECK(centres.size() == M * D && centres != subset);
  CHECK(centres == rct::select_inducing(view, M, rct::InducingMethod::kmeans_plus_plus, 0));
}

void every_option_arrives() {
  /* Each setting against the tree that C makes of the same fields. */
  const std::vector<double> coords = uniform(N * D, 21), inducing = uniform(M * D, 22), lengthscales = {0.2, 0.5, 1.5};
  const std::vector<std::int64_t> ids = ids_up_to(N);
  const auto compare = [&](const char *name, const rct::Options &options, const rct_options &c) {
    check_context("%s", name);
    const bool residual = c.metric == RCT_METRIC_RESIDUAL;
    rct::Data data(rct::row_major(coords, D));
    if (residual) data.inducing(rct::row_major(inducing, D));
    const rct::Neighbors found = rct::Tree(options, data).query_batch(rct::Query::of_ids(ids, K));
    rct_tree *tree = tree_of(&c, &data.c());
    const rct_query query = query_of_ids(ids.data(), N, K);
    answer expected = ask(tree, &query);
    CHECK(std::equal(found.ids.begin(), found.ids.end(), expected.ids));
    CHECK(std::equal(found.distances.begin(), found.distances.end(), expected.distances));
    answer_free(&expected);
    rct_free(tree);
    return found.distances;
  };
  std::vector<std::vector<double>> seen;
  const auto differs = [&](std::vector<double> distances) {
    const bool fresh = std::find(seen.begin(), seen.end(), distances) == seen.end();
    seen.push_back(std::move(distances));
    return fresh;
  };
  const auto fields = [](auto change) {
    rct_options c = default_options();
    change(c);
    return c;
  };
  const auto O = unit_options;
  CHECK(differs(compare("defaults", O(), default_options())));
  CHECK(differs(compare("metric", O().metric(rct::Metric::correlation),
                        fields([](rct_options &c) { c.metric = RCT_METRIC_CORRELATION; }))));
  CHECK(differs(compare("metric", O().metric(rct::Metric::euclidean),
                        fields([](rct_options &c) { c.metric = RCT_METRIC_EUCLIDEAN; }))));
  for (const rct::Kernel kernel : {rct::Kernel::rbf, rct::Kernel::matern12, rct::Kernel::matern52})
    CHECK(differs(compare("kernel", O().kernel(kernel),
                          fields([&](rct_options &c) { c.kernel = static_cast<std::int32_t>(kernel); }))));
  CHECK(differs(compare("alpha", O().kernel(rct::Kernel::rational_quadratic).alpha(0.3), fields([](rct_options &c) {
                          c.kernel = RCT_KERNEL_RATIONAL_QUADRATIC;
                          c.alpha = 0.3;
                        }))));
  CHECK(differs(compare("lengthscale", O().lengthscale(0.4), fields([](rct_options &c) { c.lengthscale = 0.4; }))));
  CHECK(differs(compare("lengthscales", O().lengthscales(lengthscales), fields([&](rct_options &c) {
                          c.lengthscales = rct_vector_of(lengthscales.data(), lengthscales.size());
                        }))));
  CHECK(!differs(compare("lengthscale after lengthscales", O().lengthscales(lengthscales).lengthscale(0.4),
                         fields([](rct_options &c) { c.lengthscale = 0.4; }))));
  CHECK(differs(compare("jitter", O().jitter(0.1), fields([](rct_options &c) { c.jitter = 0.1; }))));
  CHECK(differs(
      compare("residual_floor", O().residual_floor(0.5), fields([](rct_options &c) { c.residual_floor = 0.5; }))));
  check_context("");

  /* What does not change answers shows elsewhere. */
  const rct::Data data = rct::Data(rct::row_major(coords, D)).inducing(rct::row_major(inducing, D));
  const auto stats = [&](const rct::Options &options) {
    const rct::Tree tree(options, data);
    tree.query_batch(rct::Query::of_ids(ids, K));
    tree.validate();
    return tree.stats();
  };
  const rct::Stats usual = stats(O());
  CHECK(usual.n == N && usual.d == D && usual.m == M && usual.queries == N);
  CHECK(stats(O().traversal(rct::Traversal::best_first)).last_traversal == RCT_TRAVERSAL_BEST_FIRST);
  CHECK(stats(O().construction(rct::Construction::hybrid)).build_evaluations != usual.build_evaluations);
  CHECK(stats(O().ordering(rct::Ordering::natural)).build_evaluations != usual.build_evaluations);
  CHECK_THROWS(rct::Tree(O().threads(4000000000u)), RCT_ERROR_INVALID_ARGUMENT, "threads");
  CHECK_THROWS(rct::Tree(O().variance(-2.5)), RCT_ERROR_INVALID_ARGUMENT, "-2.5");
}

void a_factor_of_the_callers() {
  const Fixture f;
  std::vector<double> variances(f.truth.residuals, f.truth.residuals + N + NEW);
  for (double &p : variances) p += 0.2;
  const double *factor = f.truth.factor;
  const rct::Tree tree(rct::Options().variance(1.7).lengthscale(0.3), rct::Data(rct::row_major(f.given.coords, N, D))
                                                                          .factor(rct::row_major(factor, N, M))
                                                                          .residual_variances({variances.data(), N}));
  oracle truth = oracle_from_factor(&f.given.options, f.given.coords, N, D, factor, M, variances.data());
  const rct::Query stored = rct::Query::of_ids(f.ids, K);
  rct::Neighbors found = tree.query_batch(stored);
  answer held = as_answer(found);
  rct_query c = stored.c();
  check_answer(&truth, N, &c, &held);
  oracle_free(&truth);

  std::vector<double> all(f.given.coords, f.given.coords + N * D);
  all.insert(all.end(), f.fresh.begin(), f.fresh.end());
  truth = oracle_from_factor(&f.given.options, all.data(), N + NEW, D, factor, M, variances.data());
  const rct::Query fresh = rct::Query::of_points(rct::row_major(f.fresh, D), K)
                               .factor(rct::row_major(factor + N * M, NEW, M))
                               .residual_variances({variances.data() + N, NEW});
  found = tree.query_batch(fresh);
  held = as_answer(found);
  c = fresh.c();
  check_answer(&truth, N, &c, &held);
  oracle_free(&truth);
}

}  // namespace

int main() {
  RUN(stored_and_new_points);
  RUN(limits_and_bounds_for_one_and_for_all);
  RUN(vecchia);
  RUN(answers_into_memory_of_the_callers);
  RUN(radius);
  RUN(pairs);
  RUN(orders_and_inducing_points);
  RUN(every_option_arrives);
  RUN(a_factor_of_the_callers);
  return check_report();
}
