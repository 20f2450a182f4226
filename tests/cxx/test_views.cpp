/* Views of any layout show the same matrix; what they cannot show does not compile or throws. */
#include <array>

#include "eigen.hpp"
#include "support.hpp"

namespace {

constexpr std::size_t N = 60, D = 2, M = 6, K = 5;

using Matrix = rct::MatrixView<const double>;
using Vector = rct::VectorView<const double>;
using Ids = rct::VectorView<const std::int64_t>;

const std::vector<double> &coords() {
  static const std::vector<double> values = uniform(N * D, 5);
  return values;
}

/* Vecchia neighbours of the points that the view shows; inducing points are its first M rows. */
rct::Neighbors sets(Matrix view) {
  const Matrix first(view.data, M, view.cols, view.row_stride, view.col_stride);
  return rct::Tree(unit_options().threads(1), rct::Data(view).inducing(first)).vecchia_neighbors(K);
}

const rct::Neighbors &expected() {
  static const rct::Neighbors found = sets(rct::row_major(coords(), D));
  return found;
}

/* A matrix that knows its strides, as Eigen's do. */
struct Strided {
  std::vector<double> values;
  long row_stride, col_stride;
  double *data() { return values.data(); }
  const double *data() const { return values.data(); }
  long rows() const { return N; }
  long cols() const { return D; }
  long size() const { return N * D; }
  long rowStride() const { return row_stride; }
  long colStride() const { return col_stride; }
};

void every_layout_shows_the_same_points() {
  CHECK(same(sets(rct::row_major(coords().data(), N, D)), expected()));

  std::vector<double> columns(N * D), wide(3 * N * D, 1e300), reversed(N * D);
  for (std::size_t i = 0; i < N; i++)
    for (std::size_t j = 0; j < D; j++) {
      columns[j * N + i] = wide[3 * (i * D + j)] = reversed[(N - 1 - i) * D + j] = coords()[i * D + j];
    }
  CHECK(same(sets(rct::col_major(columns, D)), expected()));
  CHECK(same(sets(rct::col_major(columns.data(), N, D)), expected()));
  CHECK(same(sets(rct::row_major(columns.data(), D, N).transposed()), expected()));
  CHECK(same(sets(Matrix(wide.data(), N, D, 3 * D, 3)), expected()));
  const std::ptrdiff_t back = -static_cast<std::ptrdiff_t>(D);
  CHECK(same(sets(Matrix(&reversed[(N - 1) * D], N, D, back, 1)), expected()));

  Strided strided{wide, 3 * D, 3};
  CHECK(same(sets(strided), expected()));
  const Strided &constant = strided;
  CHECK(same(sets(constant), expected()));
}

void vectors_of_any_stride() {
  const std::vector<double> &values = coords();
  const rct::Tree tree(unit_options(), rct::row_major(values, D));
  const std::vector<std::int64_t> ids = {3, 9, 27}, spread = {27, -1, 9, -1, 3};
  const rct::Neighbors found = tree.query_batch(rct::Query::of_ids(ids, K));
  CHECK(same(tree.query_batch(rct::Query::of_ids({&spread[4], 3, -2}, K)), found));
  const std::array<std::int64_t, 3> array = {3, 9, 27};
  CHECK(same(tree.query_batch(rct::Query::of_ids(array, K)), found));
  CHECK(Ids(&spread[4], 3, -2)[2] == 27);
  const std::int64_t plain[] = {3, 9, 27};
  CHECK(same(tree.query_batch(rct::Query::of_ids(plain, K)), found));
  CHECK(same(tree.query_batch(rct::Query::of_ids(rct::Span<const std::int64_t>(plain, 3), K)), found));
}

void what_is_empty_is_not_absent() {
  const std::vector<double> none;
  const std::vector<std::int64_t> no_ids;
  const rct::Tree tree(unit_options(), rct::row_major(coords(), D));
  CHECK_THROWS(rct::Tree(unit_options(), rct::row_major(none, D)), RCT_ERROR_INVALID_ARGUMENT, "coords");
  CHECK_THROWS(tree.vecchia_neighbors(K, no_ids), RCT_ERROR_INVALID_ARGUMENT, "order");
  CHECK(tree.query_batch(rct::Query::of_ids(no_ids, K)).queries == 0);
  CHECK_THROWS(tree.query_batch(rct::Query::of_ids(Ids(), K)), RCT_ERROR_INVALID_ARGUMENT, "ids");
  CHECK_THROWS(rct::Tree(rct::Options().lengthscales({}), rct::row_major(coords(), D)), RCT_ERROR_INVALID_ARGUMENT,
               "lengthscales");
  CHECK_THROWS(rct::row_major(coords(), 7), RCT_ERROR_INVALID_ARGUMENT, "120 values do not make rows of 7");
  CHECK_THROWS(rct::col_major(coords(), 0), RCT_ERROR_INVALID_ARGUMENT, "rows of 0");
}

#ifdef HAVE_EIGEN
void eigen_matrices_maps_blocks_and_rows() {
  using RowMajor = Eigen::Matrix<double, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
  const RowMajor rows = Eigen::Map<const RowMajor>(coords().data(), N, D);
  const Eigen::MatrixXd columns = rows;
  CHECK(same(sets(rows), expected()));
  CHECK(same(sets(columns), expected()));
  Eigen::MatrixXd larger = Eigen::MatrixXd::Constant(N + 2, D + 3, 1e300);
  larger.block(1, 2, N, D) = columns;
  const auto block = larger.block(1, 2, N, D);
  CHECK(same(sets(block), expected()));
  const auto flipped = block.transpose();
  CHECK(same(sets(Matrix(flipped).transposed()), expected()));

  /* Every second row of a matrix of lengthscales, which is a strided vector; and an answer into Eigen's memory. */
  Eigen::MatrixXd scales = Eigen::MatrixXd::Constant(3, N, 1e300);
  scales.row(1).setConstant(0.7);
  const auto row = scales.row(1);
  const rct::Tree tree(unit_options(), columns);
  Eigen::Matrix<std::int64_t, Eigen::Dynamic, Eigen::Dynamic> ids(N, K);
  Eigen::MatrixXd distances(N, K);
  const std::vector<std::int64_t> all = ids_up_to(N);
  tree.query_batch_into(rct::Query::of_ids(all, K).max_distances(row), {ids, distances});
  const rct::Neighbors found = tree.query_batch(rct::Query::of_ids(all, K).max_distance(0.7));
  bool equal = true;
  for (int i = 0; i < static_cast<int>(N * K); i++) {
    const std::size_t t = static_cast<std::size_t>(i);
    equal = equal && ids(i / static_cast<int>(K), i % static_cast<int>(K)) == found.ids[t] &&
            distances(i / static_cast<int>(K), i % static_cast<int>(K)) == found.distances[t];
  }
  CHECK(equal);
}
#endif

}  // namespace

int main() {
  RUN(every_layout_shows_the_same_points);
  RUN(vectors_of_any_stride);
  RUN(what_is_empty_is_not_absent);
#ifdef HAVE_EIGEN
  RUN(eigen_matrices_maps_blocks_and_rows);
#endif
  return check_report();
}
