#pragma once

namespace sterna::test {

/// The larger of two errors, like std::max; but what is no number is worst of all, and stays so:
/// a test that then asks `<= bound` fails.
template <class T>
T worse(T so_far, T error) {
  return error <= so_far || so_far != so_far ? so_far : error;
}

}  // namespace sterna::test
