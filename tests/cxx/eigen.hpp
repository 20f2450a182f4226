/* Eigen, where it is installed: HAVE_EIGEN. Its own warnings are none of ours. */
#ifndef RCT_TESTS_EIGEN_HPP
#define RCT_TESTS_EIGEN_HPP

#if __has_include(<eigen3/Eigen/Dense>)
#define HAVE_EIGEN
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wall"
#endif

#endif
