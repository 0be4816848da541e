#pragma once

#include <cstddef>

namespace sterna::test {

/// Calls of the global operator new in this executable so far (test_counting_new.cpp replaces
/// it).
size_t news() noexcept;

}  // namespace sterna::test
