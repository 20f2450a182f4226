/* Views of the caller's vectors and matrices, of any stride. */
#ifndef RCT_VIEWS_HPP
#define RCT_VIEWS_HPP

#include <cstddef>
#include <cstdint>
#include <initializer_list>
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

/* Whether what is given as `Container &&` is there after the expression. */
template <class Container>
inline constexpr bool lives_on = std::is_lvalue_reference_v<Container> || is_span<std::decay_t<Container>>;

template <class Container, class = void>
inline constexpr bool has_data = false;
template <class Container>
inline constexpr bool has_data<Container, std::void_t<decltype(*std::declval<Container &>().data())>> = true;

template <class Container, class = void>
inline constexpr bool has_size = false;
template <class Container>
inline constexpr bool has_size<Container, std::void_t<decltype(std::declval<Container &>().size())>> = true;

template <class Container, class = void>
inline constexpr bool has_shape = false;
template <class Container>
inline constexpr bool has_shape<Container, std::void_t<decltype(std::declval<Container &>().rows()),
                                                       decltype(std::declval<Container &>().cols())>> = true;

template <class Container, class = void>
inline constexpr bool has_strides = false;
template <class Container>
inline constexpr bool has_strides<Container, std::void_t<decltype(std::declval<Container &>().rowStride())>> = true;

/* What somebody may give for a vector or a matrix. Views take all of it, to say what is wrong with most of it. */
template <class Container, class Plain = std::remove_reference_t<Container>>
inline constexpr bool is_given = has_size<Plain> || has_shape<Plain> || std::is_pointer_v<std::decay_t<Container>>;

template <class Container>
using if_given = std::enable_if_t<is_given<Container>>;

template <class...>
inline constexpr bool never = false;

/* Does not compile where a T is wanted and a From is given. */
template <class T, class From>
constexpr void refuse_type() {
  if constexpr (std::is_same_v<std::remove_const_t<From>, T>)
    static_assert(never<From>, "rct: no answer can be written here, which is const");
  else if constexpr (std::is_same_v<std::remove_const_t<T>, double>)
    static_assert(never<From>,
                  "rct: values must be double; put these in a matrix or vector of double that has a name "
                  "(in Eigen: const Eigen::MatrixXd x = y.cast<double>())");
  else
    static_assert(never<From>, "rct: ids must be std::int64_t; put these in a std::vector<std::int64_t>");
}

/* Whether a T * can look at it; does not compile otherwise. */
template <class T, class Container>
constexpr bool can_be_viewed() {
  using Plain = std::remove_reference_t<Container>;
  if constexpr (!has_data<Plain>) {
    static_assert(never<Container>,
                  "rct: this is not contiguous in memory, or an expression that Eigen has not evaluated; put it in a "
                  "matrix or vector that has a name (const Eigen::MatrixXd x = ...)");
    return false;
  } else {
    using From = std::remove_pointer_t<decltype(std::declval<Plain &>().data())>;
    if constexpr (!same_but_const<From, T>) {
      refuse_type<T, From>();
      return false;
    } else {
      static_assert(lives_on<Container>, "rct: this is a temporary, which may be gone when it is read; give it a name");
      return lives_on<Container>;
    }
  }
}

/* Elements from one to the next; of an Eigen vector or row it need not be 1. */
template <class Container>
constexpr std::ptrdiff_t stride_of(const Container &container) {
  if constexpr (has_strides<const Container>) {
    static_assert(Container::IsVectorAtCompileTime, "rct: this is a matrix; a vector is wanted");
    return static_cast<std::ptrdiff_t>(container.innerStride());
  } else {
    return 1;
  }
}

}  // namespace detail

/* A vector: element i is data[i * stride]. Default: absent. Made of any array, contiguous container or Eigen vector
 * that has a name. */
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
  template <class U, class = std::enable_if_t<!detail::same_but_const<U, T>>, class = void>
  constexpr VectorView(const VectorView<U> &) {
    detail::refuse_type<T, U>();
  }
  template <class U, std::size_t N>
  constexpr VectorView(U (&array)[N]) noexcept : VectorView(VectorView<U>(array, N)) {}
  template <class Container, class = detail::if_given<Container>>
  constexpr VectorView(Container &&container) {
    using Plain = std::remove_reference_t<Container>;
    if constexpr (std::is_pointer_v<Plain>) {
      static_assert(detail::never<Container>, "rct: a pointer alone has no length; give {pointer, length}");
    } else if constexpr (detail::can_be_viewed<T, Container>()) {
      data = detail::place<T>(container.data());
      size = static_cast<std::size_t>(container.size());
      stride = detail::stride_of(container);
    }
  }
  template <class U, class = std::enable_if_t<std::is_arithmetic_v<U>>>
  constexpr VectorView(std::initializer_list<U>) {
    static_assert(detail::never<U>, "rct: a list in braces may be gone when it is read; give a std::vector that has a name");
  }

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
  template <class U, class = std::enable_if_t<!detail::same_but_const<U, T>>, class = void>
  constexpr MatrixView(const MatrixView<U> &) {
    detail::refuse_type<T, U>();
  }
  template <class Matrix, class = detail::if_given<Matrix>>
  MatrixView(Matrix &&matrix) {
    using Plain = std::remove_reference_t<Matrix>;
    if constexpr (std::is_pointer_v<std::decay_t<Matrix>>) {
      static_assert(detail::never<Matrix>,
                    "rct: a pointer or array alone has no rows and columns; give rct::row_major(pointer, rows, columns)");
    } else if constexpr (!detail::has_shape<Plain>) {
      static_assert(detail::never<Matrix>,
                    "rct: this is a vector; rct::row_major(vector, columns) is a matrix of all its values");
    } else if constexpr (detail::can_be_viewed<T, Matrix>()) {
      static_assert(detail::has_strides<Plain>,
                    "rct: this matrix has no rowStride() and colStride(); give rct::row_major(data, rows, columns) or "
                    "rct::col_major(data, rows, columns)");
      if constexpr (detail::has_strides<Plain>)
        *this = {detail::place<T>(matrix.data()), static_cast<std::size_t>(matrix.rows()),
                 static_cast<std::size_t>(matrix.cols()), static_cast<std::ptrdiff_t>(matrix.rowStride()),
                 static_cast<std::ptrdiff_t>(matrix.colStride())};
    }
  }

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
  static_assert(!has_strides<const Container>, "rct: this matrix knows its own layout; give it as it is");
  const std::size_t size = static_cast<std::size_t>(container.size());
  if (cols == 0 || size % cols != 0)
    throw Error(RCT_ERROR_INVALID_ARGUMENT,
                std::to_string(size) + " values do not make rows of " + std::to_string(cols));
  return size / cols;
}

/* Its memory, of whatever type: what the view is given to knows which it wants. */
template <class Container>
auto memory_of(Container &&values) {
  static_assert(lives_on<Container>, "rct: this is a temporary, which may be gone when it is read; give it a name");
  return place(values.data());
}

}  // namespace detail

/* All of a std::vector or the like; its length must be a multiple of cols. */
template <class Container>
auto row_major(Container &&values, std::size_t cols) {
  return row_major(detail::memory_of(std::forward<Container>(values)), detail::rows_of(values, cols), cols);
}

template <class Container>
auto col_major(Container &&values, std::size_t cols) {
  return col_major(detail::memory_of(std::forward<Container>(values)), detail::rows_of(values, cols), cols);
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
