/* Trees in files and in memory. */
#ifndef RCT_SAVED_HPP
#define RCT_SAVED_HPP

#include <cstdint>
#include <limits>
#include <memory>
#include <string>

#include "error.hpp"

namespace rct {

/* How a saved tree is loaded: everything not set keeps the default of rct_load_options. */
class LoadOptions {
 public:
  LoadOptions() { detail::check(rct_load_options_init(&c_)); }

  /* 0 for all cores. Default: as many as it was saved with. */
  LoadOptions &threads(std::uint32_t threads) {
    if (threads > static_cast<std::uint32_t>(std::numeric_limits<std::int32_t>::max()))
      throw Error(RCT_ERROR_INVALID_ARGUMENT, "threads is " + std::to_string(threads) + ": too many");
    c_.threads = static_cast<std::int32_t>(threads);
    return *this;
  }
  /* V, most of a tree, stays in the file and is read, and checked, as it is needed. Nobody may then change the file in
   * place while the tree lives; saving anew to its path is fine. */
  LoadOptions &memory_map(bool map = true) {
    c_.memory_map = map ? 1 : 0;
    return *this;
  }

  const rct_load_options &c() const noexcept { return c_; }

 private:
  rct_load_options c_;
};

namespace detail {

struct FreeBuffer {
  void operator()(rct_buffer *buffer) const noexcept { rct_buffer_free(buffer); }
};
using Buffer = std::unique_ptr<rct_buffer, FreeBuffer>;

/* What C would take for another name. */
inline const char *file_name(const std::string &path) {
  if (path.find('\0') != std::string::npos) throw Error(RCT_ERROR_INVALID_ARGUMENT, "path has a NUL");
  return path.c_str();
}

}  // namespace detail

}  // namespace rct

#endif /* RCT_SAVED_HPP */
