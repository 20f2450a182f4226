/* Progress, cancellation and covariances: callbacks run where they should, and what they throw comes out of the call,
 * having crossed the library's frames, with nothing broken. */
#include <atomic>
#include <cmath>
#include <thread>

#include "support.hpp"

namespace {

constexpr std::size_t N = 400, D = 2, M = 10, K = 5;

/* No rct::Error and no std::exception: it must come out as what it is. */
struct Thrown {
  int number;
};

const std::vector<double> &coords() {
  static const std::vector<double> values = uniform(N * D, 5);
  return values;
}

const std::vector<std::int64_t> &ids() {
  static const std::vector<std::int64_t> values = ids_up_to(N);
  return values;
}

rct::Data data() { return rct::Data(rct::row_major(coords(), D)).inducing(rct::row_major(coords().data(), M, D)); }

double exponential(rct::Span<const double> x, rct::Span<const double> y) {
  double squared = 0;
  for (std::size_t j = 0; j < x.size(); j++) squared += (x[j] - y[j]) * (x[j] - y[j]);
  return 2.0 * std::exp(-std::sqrt(squared) / 0.4);
}

/* Every call that listens, under a control. `unbuilt` is built by the first. */
using Call = std::function<void(rct::Tree &unbuilt, const rct::Tree &tree, const rct::Control &)>;
std::vector<Call> calls() {
  return {
      [](rct::Tree &unbuilt, const rct::Tree &, const rct::Control &c) { unbuilt.build(data(), c); },
      [](rct::Tree &, const rct::Tree &tree, const rct::Control &c) {
        tree.query_batch(rct::Query::of_ids(ids(), K), c);
      },
      [](rct::Tree &, const rct::Tree &tree, const rct::Control &c) { tree.vecchia_neighbors(K, {}, c); },
      [](rct::Tree &, const rct::Tree &tree, const rct::Control &c) {
        tree.radius_batch(rct::Query::of_ids(ids()), 0.5, c);
      },
      [](rct::Tree &, const rct::Tree &tree, const rct::Control &c) { tree.validate(c); },
      [](rct::Tree &, const rct::Tree &, const rct::Control &c) {
        rct::order(rct::row_major(coords(), D), rct::Ordering::maximin, 0, c);
      },
      [](rct::Tree &, const rct::Tree &, const rct::Control &c) {
        rct::select_inducing(rct::row_major(coords(), D), M, rct::InducingMethod::kmeans_plus_plus, 0, c);
      },
  };
}

void progress_and_cancellation() {
  for (std::uint32_t threads = 1; threads <= 2; threads++) {
    const rct::Tree tree(unit_options().threads(threads), data());
    for (const Call &call : calls()) {
      const std::thread::id here = std::this_thread::get_id();
      double last = -1;
      bool rising = true, at_home = true;
      int questions = 0;
      rct::Control listening;
      listening
          .progress([&](double fraction) {
            rising = rising && fraction >= last;
            at_home = at_home && std::this_thread::get_id() == here;
            last = fraction;
          })
          .should_stop([&] {
            questions++;
            return false;
          });
      rct::Tree first(unit_options().threads(threads));
      call(first, tree, listening);
      CHECK(rising && at_home && last == 1.0 && questions > 0);

      rct::Tree second(unit_options().threads(threads));
      CHECK_THROWS(call(second, tree, rct::Control().should_stop([] { return true; })), RCT_ERROR_CANCELLED,
                   "should_stop");
      call(second, tree, rct::Control());
    }
  }
}

/* Runs `call` with callbacks of which the report, or question, number `when` throws: whether it came out. */
bool comes_out(const Call &call, rct::Tree &unbuilt, const rct::Tree &tree, bool from_progress, int when) {
  int count = 0, after = 0;
  const auto due = [&] {
    if (count > when) after++;
    if (count++ == when) throw Thrown{when};
  };
  rct::Control control;
  if (from_progress) control.progress([&](double) { due(); });
  else
    control.should_stop([&] {
      due();
      return false;
    });
  bool out = false;
  try {
    call(unbuilt, tree, control);
  } catch (const Thrown &thrown) {
    out = true;
    CHECK(thrown.number == when);
  }
  CHECK(after == 0);
  CHECK(out == (count > when));
  return out;
}

void what_a_callback_throws_comes_out() {
  for (std::uint32_t threads = 1; threads <= 2; threads++) {
    const rct::Tree tree(unit_options().threads(threads), data());
    const rct::Neighbors before = tree.query_batch(rct::Query::of_ids(ids(), K));
    for (const Call &call : calls())
      for (const bool from_progress : {true, false}) {
        rct::Tree unbuilt(unit_options().threads(threads));
        int when = 0;
        while (comes_out(call, unbuilt, tree, from_progress, when) && when < 200) when++;
        CHECK(when > 0);
        CHECK(same(tree.query_batch(rct::Query::of_ids(ids(), K)), before));
      }
  }
}

void callbacks_may_call_on_other_trees() {
  const rct::Tree tree(unit_options(), data()), other(unit_options(), data());
  const rct::Neighbors before = tree.query_batch(rct::Query::of_ids(ids(), K));
  int right = 0, refused = 0;
  rct::Control control;
  control.progress([&](double) {
    if (same(other.query_batch(rct::Query::of_ids(ids(), K)), before)) right++;
    try {
      other.query_batch(rct::Query::of_ids(ids(), K), rct::Control().progress([](double) { throw Thrown{1}; }));
    } catch (const Thrown &) {
      refused++;
    }
    CHECK_THROWS(tree.query_batch(rct::Query::of_ids(ids(), K)), RCT_ERROR_INVALID_STATE, "in use");
  });
  CHECK(same(tree.query_batch(rct::Query::of_ids(ids(), K), control), before));
  CHECK(right > 0 && refused == right);

  /* The error of the inner call is the outer one's. */
  rct::Control failing;
  failing.progress([&](double) { other.query_batch(rct::Query::of_ids(ids(), 0)); });
  CHECK_THROWS(tree.vecchia_neighbors(K, {}, failing), RCT_ERROR_INVALID_ARGUMENT, "k");
  CHECK(same(tree.query_batch(rct::Query::of_ids(ids(), K)), before));
}

void covariances_of_the_callers() {
  const rct::Neighbors expected =
      rct::Tree(rct::Options().kernel(rct::Kernel::matern12).variance(2).lengthscale(0.4), data()).vecchia_neighbors(K);
  const auto agrees = [&](const rct::Neighbors &found) {
    bool close = found.counts == expected.counts && found.ids == expected.ids;
    for (std::size_t t = 1 * K; t < N * K; t++)
      close =
          close && (std::isinf(expected.distances[t]) ? std::isinf(found.distances[t])
                                                      : std::abs(found.distances[t] - expected.distances[t]) < 1e-7);
    return close;
  };
  /* One pair at a time: a function, a closure with state that dies here, a move of the tree. */
  CHECK(agrees(rct::Tree(unit_options().covariance(exponential), data()).vecchia_neighbors(K)));
  std::vector<rct::Tree> kept;
  {
    const std::vector<double> parameters = {2.0, 0.4};
    kept.emplace_back(unit_options().covariance([parameters](rct::Span<const double> x, rct::Span<const double> y) {
      return parameters.at(0) / 2.0 * exponential(x, y) + 0 * parameters.at(1);
    }));
  }
  kept[0].build(data());
  rct::Tree moved = std::move(kept[0]);
  kept.clear();
  CHECK(agrees(moved.vecchia_neighbors(K)));
  rct::Tree assigned(unit_options());
  assigned = std::move(moved);
  CHECK(agrees(assigned.vecchia_neighbors(K)));

  /* A point against many. */
  std::size_t calls_made = 0, pairs = 0;
  const rct::CovarianceFunction many = [&](rct::Span<const double> x, rct::MatrixView<const double> others,
                                           rct::Span<double> out) {
    calls_made++;
    pairs += out.size();
    CHECK(others.rows == out.size() && others.cols == D && x.size() == D);
    for (std::size_t i = 0; i < out.size(); i++)
      out[i] = exponential(x, rct::Span<const double>(&others(i, 0), others.cols));
  };
  CHECK(agrees(rct::Tree(unit_options().covariance(many), data()).vecchia_neighbors(K)));
  CHECK(calls_made > 0 && pairs > calls_made);

  /* A kernel set later takes its place. */
  const rct::Tree plain(
      rct::Options().covariance(exponential).kernel(rct::Kernel::matern12).variance(2).lengthscale(0.4), data());
  CHECK(same(plain.vecchia_neighbors(K), expected));
  bool empty = false;
  try {
    rct::Tree(unit_options().covariance(rct::CovarianceFunction()), data());
  } catch (const std::bad_function_call &) {
    empty = true;
  }
  CHECK(empty);
}

void what_a_covariance_throws_comes_out() {
  std::atomic<int> left{-1};
  const rct::Options options = unit_options().covariance([&](rct::Span<const double> x, rct::Span<const double> y) {
    if (left >= 0 && left-- == 0) throw Thrown{4};
    return exponential(x, y);
  });
  const auto throws_when = [&](int when, auto call) {
    bool out = false;
    left = when;
    try {
      call();
    } catch (const Thrown &thrown) {
      out = thrown.number == 4;
    }
    left = -1;
    return out;
  };
  rct::Tree tree(options);
  for (const int when : {0, 1, 60, 3000}) CHECK(throws_when(when, [&] { tree.build(data()); }));
  tree.build(data());
  const rct::Neighbors before = tree.vecchia_neighbors(K);
  for (const int when : {0, 1, 500}) {
    CHECK(throws_when(when, [&] { tree.vecchia_neighbors(K); }));
    CHECK(throws_when(when, [&] { tree.query_batch(rct::Query::of_points(rct::row_major(coords(), D), K)); }));
    CHECK(throws_when(when, [&] { tree.radius_batch(rct::Query::of_ids(ids()), 0.5); }));
    CHECK(throws_when(when, [&] { tree.validate(); }));
  }
  CHECK(throws_when(0, [&] { tree.distances(ids(), ids()); }) || throws_when(0, [&] {
          const std::vector<std::int64_t> i = {1}, j = {2};
          tree.distances(i, j);
        }));
  CHECK(same(tree.vecchia_neighbors(K), before));

  /* Each thread gets its own exception, and the others their answers. */
  std::vector<int> right(6, 0);
  static thread_local int own = -1;
  const rct::Tree shared(unit_options().covariance([](rct::Span<const double> x, rct::Span<const double> y) {
    if (own >= 0) throw Thrown{own};
    return exponential(x, y);
  }),
                         data());
  std::vector<std::thread> threads;
  for (int t = 0; t < 6; t++)
    threads.emplace_back([&, t] {
      own = t % 2 == 0 ? t : -1;
      try {
        right[static_cast<std::size_t>(t)] = same(shared.vecchia_neighbors(K), before) && own < 0;
      } catch (const Thrown &thrown) {
        right[static_cast<std::size_t>(t)] = thrown.number == own;
      }
    });
  for (std::thread &thread : threads) thread.join();
  for (const int ok : right) CHECK(ok);
}

}  // namespace

int main() {
  RUN(progress_and_cancellation);
  RUN(what_a_callback_throws_comes_out);
  RUN(callbacks_may_call_on_other_trees);
  RUN(covariances_of_the_callers);
  RUN(what_a_covariance_throws_comes_out);
  return check_report();
}
