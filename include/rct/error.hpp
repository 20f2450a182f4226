/* Failures, and exceptions on their way through the C frames of the library. */
#ifndef RCT_ERROR_HPP
#define RCT_ERROR_HPP

#include <cstddef>
#include <exception>
#include <stdexcept>
#include <string>
#include <utility>

#include "../rct.h"

namespace rct {

/* A call failed: what() names the argument and the value. */
class Error : public std::runtime_error {
 public:
  Error(rct_status status, const std::string &message) : std::runtime_error(message), status_(status) {}

  rct_status status() const noexcept { return status_; }
  /* Such as "RCT_ERROR_NOT_FINITE". */
  const char *status_name() const noexcept { return rct_status_name(status_); }

 private:
  rct_status status_;
};

namespace detail {

/* What a callback of this thread has thrown inside the call that runs. While there is something, no callback runs. */
inline std::exception_ptr &thrown() noexcept {
  static thread_local std::exception_ptr exception;
  return exception;
}

/* Runs a callback under the library's frames, which no exception may cross; false where one has been caught. */
template <class Callback>
bool guarded(Callback &&callback) noexcept {
  if (thrown()) return false;
  try {
    callback();
    return true;
  } catch (...) {
    thrown() = std::current_exception();
    return false;
  }
}

/* A sentence of the library in the words of C++, here and nowhere else: `rct_build` is Tree's `build`, and what is not
 * given is given by a function of Options. */
inline std::string in_cxx(std::string sentence) {
  for (const char *prefix : {"rct_", "RCT_"})
    for (std::size_t at = 0; (at = sentence.find(prefix, at)) != std::string::npos;) sentence.erase(at, 4);
  const std::string missing = "lengthscale is not given: ";
  if (sentence.compare(0, missing.size(), missing) == 0)
    sentence = missing + "Options().lengthscale(x), or lengthscales with one a dimension, in the unit of the coordinates";
  return sentence;
}

/* After every call: throws what a callback has thrown, or else the call's own failure. Sentences about files have
 * names of files, which stay as they are. */
inline void check(rct_status status) {
  if (thrown()) std::rethrow_exception(std::exchange(thrown(), nullptr));
  if (status == RCT_OK) return;
  if (status == RCT_ERROR_IO || status == RCT_ERROR_CORRUPT) throw Error(status, rct_last_error());
  throw Error(status, in_cxx(rct_last_error()));
}

}  // namespace detail

}  // namespace rct

#endif /* RCT_ERROR_HPP */
