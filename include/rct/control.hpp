/* Progress and cancellation. */
#ifndef RCT_CONTROL_HPP
#define RCT_CONTROL_HPP

#include <cstdint>
#include <functional>
#include <utility>

#include "error.hpp"

namespace rct {

/* Progress and cancellation of a call. Both run on the calling thread. */
class Control {
 public:
  /* Told the fraction done, from 0 to 1. */
  Control &progress(std::function<void(double)> progress) {
    progress_ = std::move(progress);
    return *this;
  }
  /* Asked whether to stop: true makes the call throw an Error with RCT_ERROR_CANCELLED. */
  Control &should_stop(std::function<bool()> should_stop) {
    should_stop_ = std::move(should_stop);
    return *this;
  }

  /* Points to *this. */
  rct_control c() const {
    rct_control control;
    detail::check(rct_control_init(&control));
    control.user = const_cast<Control *>(this);
    if (progress_) control.progress = call_progress;
    /* Also to stop a call whose progress callback has thrown. */
    if (progress_ || should_stop_) control.should_stop = call_should_stop;
    return control;
  }

 private:
  static void call_progress(double fraction, void *user) noexcept {
    detail::guarded([&] { static_cast<const Control *>(user)->progress_(fraction); });
  }
  static std::int32_t call_should_stop(void *user) noexcept {
    const auto &should_stop = static_cast<const Control *>(user)->should_stop_;
    bool stop = false;
    const bool ok = detail::guarded([&] { stop = should_stop && should_stop(); });
    return stop || !ok ? 1 : 0;
  }

  std::function<void(double)> progress_;
  std::function<bool()> should_stop_;
};

}  // namespace rct

#endif /* RCT_CONTROL_HPP */
