#include <unistd.h>

#include <sterna/nn/linear.h>
#include <sterna/quant/error.h>
#include <sterna/quant/formats.h>

#include <algorithm>
#include <string>

namespace sterna::nn {

namespace {

// A block's prepared activations stay in a level-2 cache while all of W passes over them. Where W
// itself does not stay there it is read once a block: as few blocks as that allows, of at least
// kTokens. Else small blocks, which more threads can share.
constexpr size_t kTokens = 128;

size_t level2_bytes() noexcept {
  static const long bytes = sysconf(_SC_LEVEL2_CACHE_SIZE);  // 0 or -1: not known
  return bytes > 0 ? static_cast<size_t>(bytes) : size_t{1} << 20;
}

size_t block_tokens(const quant::Linear& linear, size_t n) noexcept {
  if (n <= kTokens) return n;
  if (quant::weight_bytes(linear.type(), linear.m(), linear.k()) < level2_bytes() / 4)
    return kTokens;
  const size_t bytes = std::max<size_t>(1, linear.scratch_bytes(kTokens) / kTokens);
  const size_t most = std::max(kTokens, level2_bytes() * 5 / 8 / bytes);
  const size_t blocks = (n + most - 1) / most, even = (n + blocks - 1) / blocks;
  return (even + 15) / 16 * 16;
}

// Multiply-adds that are worth handing to another thread (about 10 us of int8 on one core).
constexpr size_t kWork = size_t{1} << 20;

std::string shape(size_t rows, size_t cols) {
  return "[" + std::to_string(rows) + ", " + std::to_string(cols) + "]";
}

}  // namespace

void apply(const quant::Linear& linear, Mat<const float> x, Mat<float> y, const Executor& executor,
           Workspace& workspace) {
  const size_t n = x.rows, m = linear.m(), k = linear.k();
  if (x.cols != k || y.rows != n || y.cols != m)
    throw Error("linear map " + shape(m, k) + ": expected x " + shape(n, k) + " and y " +
                shape(n, m) + ", found x " + shape(n, x.cols) + " and y " + shape(y.rows, y.cols));
  if (n == 0 || m == 0) return;
  if (MapObserver* observer = workspace.observer()) observer->see(linear, x);

  const Workspace::Frame frame(workspace);
  const size_t most = block_tokens(linear, n), blocks = (n + most - 1) / most;
  const auto tokens = [&](size_t b) { return std::min(most, n - b * most); };
  const size_t bytes = (linear.scratch_bytes(most) + 63) / 64 * 64;
  std::byte* scratch = workspace.bytes(blocks > 1 ? blocks * bytes : linear.scratch_bytes(n));
  executor.for_ranges(blocks, 1, [&](size_t begin, size_t end) {
    for (size_t b = begin; b < end; ++b)
      linear.prepare(x.row(b * most), x.stride, tokens(b), scratch + b * bytes);
  });

  // Work items are (block, tile of W's rows), tiles innermost; a range of them that lies in one
  // block is one call.
  const size_t row_tile = std::max<size_t>(1, linear.row_tile());
  const size_t tiles = (m + row_tile - 1) / row_tile;
  const size_t per_tile = most * row_tile * k;
  const size_t grain = std::max<size_t>(1, kWork / std::max<size_t>(1, per_tile));
  executor.for_ranges(blocks * tiles, grain, [&](size_t begin, size_t end) {
    while (begin < end) {
      const size_t b = begin / tiles, first = begin % tiles;
      const size_t last = std::min(tiles, first + (end - begin));
      linear.run(scratch + b * bytes, tokens(b), first * row_tile, std::min(m, last * row_tile),
                 y.row(b * most), y.stride);
      begin += last - first;
    }
  });
}

}  // namespace sterna::nn
