/* Eigen, where it is installed: HAVE_EIGEN. */
#ifndef RCT_TESTS_EIGEN_HPP
#define RCT_TESTS_EIGEN_HPP

#if __has_include(<eigen3/Eigen/Core>)
#define HAVE_EIGEN
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wconversion"
#pragma GCC diagnostic ignored "-Wsign-conversion"
#pragma GCC diagnostic ignored "-Wshadow"
#include <eigen3/Eigen/Core>
#pragma GCC diagnostic pop
#endif

#endif
