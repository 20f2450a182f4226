/* Views of the caller's vectors and matrices, of any stride. */
#ifndef RCT_VIEWS_HPP
#define RCT_VIEWS_HPP

#include <cstddef>
#include <cstdint>
#include <string>
#include <type_traits>
#include <utility>

#include "error.hpp"

namespace rct {

namespace detail {

/* The place of an empty container, which may have none: a null pointer would say "absent". */
template <class T>
inline T nowhere{};

template <class T>
T *place(T *data) noexcept {
  return data != nullptr ? data : &nowhere<std::remove_const_t<T>>;
}

template <class From, class To>
inline constexpr bool same_but_const = std::is_convertible_v<From (*)[], To (*)[]>;

}  // namespace detail

/* Contiguous elements of somebody else's: a row of an answer, or a point that a covariance function is asked about. */
template <class T>
class Span {
 public:
  constexpr Span() noexcept = default;
  constexpr Span(T *data, std::size_t size) noexcept : data_(data), size_(size) {}

  constexpr T *data() const noexcept { return data_; }
  constexpr std::size_t size() const noexcept { return size_; }
  constexpr bool empty() const noexcept { return size_ == 0; }
  constexpr T *begin() const noexcept { return data_; }
  constexpr T *end() const noexcept { return data_ + size_; }
  constexpr T &operator[](std::size_t i) const { return data_[i]; }

 private:
  T *data_ = nullptr;
  std::size_t size_ = 0;
};

namespace detail {

template <class T>
inline constexpr bool is_span = false;
template <class T>
inline constexpr bool is_span<Span<T>> = true;

/* Where `Container` is a reference to a container (or Span) of T: contiguous, and not about to die. */
template <class Container, class T>
using if_holds =
    std::enable_if_t<same_but_const<std::remove_pointer_t<decltype(std::declval<Container>().data())>, T> &&
                     std::is_convertible_v<decltype(std::declval<Container>().size()), std::size_t> &&
                     (std::is_lvalue_reference_v<Container> || is_span<std::decay_t<Container>>)>;

template <class Container, class = void>
inline constexpr bool has_strides = false;
template <class Container>
inline constexpr bool has_strides<Container, std::void_t<decltype(std::declval<Container &>().rowStride())>> = true;

/* Elements from one to the next; of an Eigen vector or row it need not be 1. */
template <class Container>
constexpr std::ptrdiff_t stride_of(const Container &container) {
  if constexpr (has_strides<const Container>) {
    static_assert(Container::IsVectorAtCompileTime, "a matrix where a vector is wanted");
    return static_cast<std::ptrdiff_t>(container.innerStride());
  } else {
    return 1;
  }
}

}  // namespace detail

/* A vector: element i is data[i * stride]. Default: absent. Made of any contiguous container, or Eigen
 * vector, that has a name. */
template <class T>
struct VectorView {
  T *data = nullptr;
  std::size_t size = 0;
  std::ptrdiff_t stride = 1;

  constexpr VectorView() noexcept = default;
  constexpr VectorView(T *elements, std::size_t count, std::ptrdiff_t step = 1) noexcept
      : data(elements), size(count), stride(step) {}
  template <class U, class = std::enable_if_t<detail::same_but_const<U, T>>>
  constexpr VectorView(const VectorView<U> &other) noexcept : VectorView(other.data, other.size, other.stride) {}
  template <class Container, class = detail::if_holds<Container, T>>
  constexpr VectorView(Container &&container)
      : VectorView(detail::place<T>(container.data()), static_cast<std::size_t>(container.size()),
                   detail::stride_of(container)) {}

  constexpr T &operator[](std::size_t i) const { return data[static_cast<std::ptrdiff_t>(i) * stride]; }
};

/* A matrix: element (i, j) is data[i * row_stride + j * col_stride]; strides may be negative. Default: absent. Made by
 * row_major, col_major, or of what has data(), rows(), cols(), rowStride() and colStride(), as an Eigen matrix, map or
 * block has that has a name. */
template <class T>
struct MatrixView {
  T *data = nullptr;
  std::size_t rows = 0, cols = 0;
  std::ptrdiff_t row_stride = 0, col_stride = 0;

  constexpr MatrixView() noexcept = default;
  constexpr MatrixView(T *elements, std::size_t row_count, std::size_t col_count, std::ptrdiff_t row_step,
                       std::ptrdiff_t col_step) noexcept
      : data(elements), rows(row_count), cols(col_count), row_stride(row_step), col_stride(col_step) {}
  template <class U, class = std::enable_if_t<detail::same_but_const<U, T>>>
  constexpr MatrixView(const MatrixView<U> &other) noexcept
      : MatrixView(other.data, other.rows, other.cols, other.row_stride, other.col_stride) {}
  template <class Matrix, class = detail::if_holds<Matrix &, T>, class = std::enable_if_t<detail::has_strides<Matrix>>>
  MatrixView(Matrix &matrix)
      : MatrixView(detail::place<T>(matrix.data()), static_cast<std::size_t>(matrix.rows()),
                   static_cast<std::size_t>(matrix.cols()), static_cast<std::ptrdiff_t>(matrix.rowStride()),
                   static_cast<std::ptrdiff_t>(matrix.colStride())) {}

  constexpr T &operator()(std::size_t i, std::size_t j) const {
    return data[static_cast<std::ptrdiff_t>(i) * row_stride + static_cast<std::ptrdiff_t>(j) * col_stride];
  }
  /* For d x n data: col_major(data, d, n).transposed() is n x d. */
  constexpr MatrixView transposed() const noexcept { return {data, cols, rows, col_stride, row_stride}; }
};

/* Rows one after another. */
template <class T>
constexpr MatrixView<T> row_major(T *data, std::size_t rows, std::size_t cols) noexcept {
  return {data, rows, cols, static_cast<std::ptrdiff_t>(cols), 1};
}

/* Columns one after another. */
template <class T>
constexpr MatrixView<T> col_major(T *data, std::size_t rows, std::size_t cols) noexcept {
  return {data, rows, cols, 1, static_cast<std::ptrdiff_t>(rows)};
}

namespace detail {

template <class Container>
std::size_t rows_of(const Container &container, std::size_t cols) {
  static_assert(!has_strides<const Container>, "it knows its own layout: give it as it is");
  const std::size_t size = static_cast<std::size_t>(container.size());
  if (cols == 0 || size % cols != 0)
    throw Error(RCT_ERROR_INVALID_ARGUMENT,
                std::to_string(size) + " values do not make rows of " + std::to_string(cols));
  return size / cols;
}

}  // namespace detail

/* All of a std::vector or the like; its length must be a multiple of cols. */
template <class Container>
auto row_major(Container &values, std::size_t cols) {
  return row_major(detail::place(values.data()), detail::rows_of(values, cols), cols);
}

template <class Container>
auto col_major(Container &values, std::size_t cols) {
  return col_major(detail::place(values.data()), detail::rows_of(values, cols), cols);
}

namespace detail {

inline rct_vector c(VectorView<const double> v) noexcept { return {v.data, v.size, v.stride}; }
inline rct_vector_out c(VectorView<double> v) noexcept { return {v.data, v.size, v.stride}; }
inline rct_index_vector c(VectorView<const std::int64_t> v) noexcept { return {v.data, v.size, v.stride}; }
inline rct_index_vector_out c(VectorView<std::int64_t> v) noexcept { return {v.data, v.size, v.stride}; }
inline rct_matrix c(MatrixView<const double> m) noexcept {
  return {m.data, m.rows, m.cols, m.row_stride, m.col_stride};
}
inline rct_matrix_out c(MatrixView<double> m) noexcept { return {m.data, m.rows, m.cols, m.row_stride, m.col_stride}; }
inline rct_index_matrix_out c(MatrixView<std::int64_t> m) noexcept {
  return {m.data, m.rows, m.cols, m.row_stride, m.col_stride};
}

}  // namespace detail

}  // namespace rct

#endif /* RCT_VIEWS_HPP */
