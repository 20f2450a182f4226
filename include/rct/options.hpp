/* What a tree is to be. */
#ifndef RCT_OPTIONS_HPP
#define RCT_OPTIONS_HPP

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <type_traits>
#include <utility>
#include <vector>

#include "error.hpp"
#include "views.hpp"

namespace rct {

enum class Metric : std::int32_t {
  residual = RCT_METRIC_RESIDUAL,
  correlation = RCT_METRIC_CORRELATION,
  euclidean = RCT_METRIC_EUCLIDEAN
};

/* Options::covariance sets the caller's own. */
enum class Kernel : std::int32_t {
  rbf = RCT_KERNEL_RBF,
  matern12 = RCT_KERNEL_MATERN12,
  matern32 = RCT_KERNEL_MATERN32,
  matern52 = RCT_KERNEL_MATERN52,
  rational_quadratic = RCT_KERNEL_RATIONAL_QUADRATIC
};

enum class Construction : std::int32_t { pure = RCT_CONSTRUCTION_PURE, hybrid = RCT_CONSTRUCTION_HYBRID };

enum class Ordering : std::int32_t {
  natural = RCT_ORDERING_NATURAL,
  hilbert = RCT_ORDERING_HILBERT,
  maximin = RCT_ORDERING_MAXIMIN,
  random = RCT_ORDERING_RANDOM
};

enum class Traversal : std::int32_t {
  automatic = RCT_TRAVERSAL_AUTO,
  best_first = RCT_TRAVERSAL_BEST_FIRST,
  level_synchronous = RCT_TRAVERSAL_LEVEL_SYNCHRONOUS,
  brute_force = RCT_TRAVERSAL_BRUTE_FORCE
};

enum class InducingMethod : std::int32_t {
  kmeans_plus_plus = RCT_INDUCING_KMEANS_PLUS_PLUS,
  random = RCT_INDUCING_RANDOM
};

/* out[i] = cov(x, row i of others), for every row; `others` is contiguous. */
using CovarianceFunction = std::function<void(Span<const double> x, MatrixView<const double> others, Span<double> out)>;

/* What a tree is to be: everything not set keeps the default of rct_options. Tree checks the values.
 *
 * A kernel needs its lengthscale, which has no default. Each function without an argument tells what is set. */
class Options {
 public:
  Options() { detail::check(rct_options_init(&c_)); }

  /* Which conditioning sets: residual (the default) for a VIF likelihood with the tree's inducing points, correlation or
   * euclidean for a plain Vecchia likelihood. */
  Options &metric(Metric metric) { return set(c_.metric, static_cast<std::int32_t>(metric)); }
  Options &kernel(Kernel kernel) {
    covariance_ = nullptr;
    return set(c_.kernel, static_cast<std::int32_t>(kernel));
  }
  Options &construction(Construction construction) {
    return set(c_.construction, static_cast<std::int32_t>(construction));
  }
  Options &ordering(Ordering ordering) { return set(c_.ordering, static_cast<std::int32_t>(ordering)); }
  Options &traversal(Traversal traversal) { return set(c_.traversal, static_cast<std::int32_t>(traversal)); }
  /* 0 for all cores; 1 starts no thread. */
  Options &threads(std::uint32_t threads) { return set(c_.threads, threads); }
  Options &variance(double variance) { return set(c_.variance, variance); }
  /* Of every dimension, in the unit of the coordinates; replaces `lengthscales`. */
  Options &lengthscale(double lengthscale) {
    /* In C that is one that is not given. */
    if (lengthscale == 0) throw Error(RCT_ERROR_INVALID_ARGUMENT, "lengthscale is 0; it must be a positive number");
    lengthscales_.reset();
    return set(c_.lengthscale, lengthscale);
  }
  /* One a dimension; replaces `lengthscale`. */
  Options &lengthscales(std::vector<double> lengthscales) {
    lengthscales_ = std::move(lengthscales);
    return *this;
  }
  /* Of the rational quadratic kernel. */
  Options &alpha(double alpha) { return set(c_.alpha, alpha); }
  Options &jitter(double jitter) { return set(c_.jitter, jitter); }
  Options &residual_floor(double floor) { return set(c_.residual_floor, floor); }

  /* A covariance of the caller's in place of a kernel: either double(Span<const double> x, Span<const double> y), or a
   * CovarianceFunction, which is called once for many points. Symmetric, positive semidefinite and free of side
   * effects. It is copied, lives as long as the tree, and runs on every thread that calls the tree: at once, where
   * these do. */
  template <class Function>
  Options &covariance(Function function) {
    if constexpr (std::is_invocable_r_v<double, Function &, Span<const double>, Span<const double>>) {
      covariance_ = std::make_shared<const CovarianceFunction>(
          [function = std::move(function)](Span<const double> x, MatrixView<const double> others,
                                           Span<double> out) mutable {
            for (std::size_t i = 0; i < out.size(); i++)
              out[i] = function(x, Span<const double>(others.data + i * others.cols, others.cols));
          });
    } else {
      covariance_ = std::make_shared<const CovarianceFunction>(std::move(function));
    }
    return set(c_.kernel, static_cast<std::int32_t>(RCT_KERNEL_CUSTOM));
  }

  Metric metric() const noexcept { return static_cast<Metric>(c_.metric); }
  /* Where `covariance()` is empty. */
  Kernel kernel() const noexcept { return static_cast<Kernel>(c_.kernel); }
  Construction construction() const noexcept { return static_cast<Construction>(c_.construction); }
  Ordering ordering() const noexcept { return static_cast<Ordering>(c_.ordering); }
  Traversal traversal() const noexcept { return static_cast<Traversal>(c_.traversal); }
  std::uint32_t threads() const noexcept { return c_.threads; }
  double variance() const noexcept { return c_.variance; }
  /* 0 where none is set, or one a dimension. */
  double lengthscale() const noexcept { return lengthscales_ ? 0 : c_.lengthscale; }
  /* Empty where none, or one for all, is set. */
  std::vector<double> lengthscales() const { return lengthscales_.value_or(std::vector<double>()); }
  double alpha() const noexcept { return c_.alpha; }
  double jitter() const noexcept { return c_.jitter; }
  double residual_floor() const noexcept { return c_.residual_floor; }
  CovarianceFunction covariance() const { return covariance_ ? *covariance_ : CovarianceFunction(); }

 private:
  friend class Tree;

  /* Those of a tree, which has this covariance where it has the caller's. */
  Options(const rct_options &c, std::shared_ptr<const CovarianceFunction> covariance)
      : c_(c), covariance_(std::move(covariance)) {
    const rct_vector &all = c.lengthscales;
    if (all.data != nullptr) lengthscales_.emplace(all.data, all.data + all.len);
    c_.lengthscales = rct_vector_of(nullptr, 0);
    c_.covariance = nullptr;
    c_.covariance_user = nullptr;
  }

  template <class T>
  Options &set(T &field, T value) noexcept {
    field = value;
    return *this;
  }

  /* Points into *this. */
  rct_options c() const noexcept {
    rct_options options = c_;
    if (lengthscales_) options.lengthscales = detail::c(VectorView<const double>(*lengthscales_));
    if (covariance_) {
      options.covariance = call_covariance;
      options.covariance_user = const_cast<CovarianceFunction *>(covariance_.get());
    }
    return options;
  }

  static std::int32_t call_covariance(void *user, const double *x, const double *others, std::size_t count,
                                      std::size_t dim, double *out) noexcept {
    const auto &function = *static_cast<const CovarianceFunction *>(user);
    const bool ok = detail::guarded(
        [&] { function(Span<const double>(x, dim), row_major(others, count, dim), Span<double>(out, count)); });
    return ok ? 0 : 1;
  }

  rct_options c_;
  std::optional<std::vector<double>> lengthscales_;
  std::shared_ptr<const CovarianceFunction> covariance_;
};

}  // namespace rct

#endif /* RCT_OPTIONS_HPP */
