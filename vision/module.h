#pragma once

#include "module_abi.h"

namespace sterna::vision {

/// libsterna-opencv.so, loaded on first use; thread-safe. Throws Fault, naming the places searched,
/// where it is not installed or does not load.
const SternaModule& opencv_module();

}  // namespace sterna::vision
