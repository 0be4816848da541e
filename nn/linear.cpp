#include <unistd.h>

#include <sterna/nn/linear.h>
#include <sterna/quant/error.h>
#include <sterna/quant/formats.h>

#include <algorithm>
#include <string>

#include "kernels.h"
#include "rows.h"

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

// Of outputs that are to be read again at once.
constexpr size_t kNearBytes = size_t{1} << 18;

// Multiply-adds that are worth handing to another thread (about 10 us of int8 on one core).
constexpr size_t kWork = size_t{1} << 20;

std::string shape(size_t rows, size_t cols) {
  return "[" + std::to_string(rows) + ", " + std::to_string(cols) + "]";
}

/// n tokens in blocks of `most`; what is prepared of each takes `bytes`.
struct Blocks {
  size_t n, most, count, bytes;

  Blocks(const quant::Linear& linear, size_t tokens)
      : Blocks(linear, tokens, block_tokens(linear, tokens)) {}
  Blocks(const quant::Linear& linear, size_t tokens, size_t of)
      : n(tokens),
        most(of),
        count((n + most - 1) / most),
        bytes((linear.scratch_bytes(most) + 63) / 64 * 64) {}
  size_t tokens(size_t b) const { return std::min(most, n - b * most); }
};

// Work items are tiles of tokens; a last block of fewer, larger or smaller tiles deals them out to
// as many items.
void prepare(const quant::Linear& linear, Mat<const float> x, const Blocks& blocks,
             std::byte* scratch, const Executor& executor) {
  const size_t tile = linear.token_tile(blocks.most), items = (blocks.most + tile - 1) / tile;
  const size_t grain = std::max<size_t>(1, row_grain(x.cols) / tile);
  executor.for_ranges(blocks.count * items, grain, [&](size_t begin, size_t end) {
    while (begin < end) {
      const size_t b = begin / items, item = begin % items;
      const size_t past = std::min(items, item + (end - begin));
      const size_t n = blocks.tokens(b), t = linear.token_tile(n), tiles = (n + t - 1) / t;
      const size_t n0 = tiles * item / items * t, n1 = std::min(n, tiles * past / items * t);
      if (n0 < n1)
        linear.prepare(x.row(b * blocks.most), x.stride, n, scratch + b * blocks.bytes, n0, n1);
      begin += past - item;
    }
  });
}

size_t row_tiles(const quant::Linear& linear) {
  return (linear.m() + linear.row_tile() - 1) / linear.row_tile();
}

// Rows [m0, m1) of W for the tokens of one block at y. What is made of y is made of parts that are
// still in a level-2 cache.
void multiply(const Product& p, const std::byte* scratch, Mat<float> y, size_t m0, size_t m1) {
  if (p.then == nullptr) return p.linear->run(scratch, y.rows, m0, m1, y.data, y.stride);
  const size_t rows = p.linear->row_tile();
  const size_t part = std::max<size_t>(1, kNearBytes / (y.rows * rows * sizeof(float))) * rows;
  for (size_t end = 0; m0 < m1; m0 = end) {
    end = std::min(m1, m0 + part);
    p.linear->run(scratch, y.rows, m0, end, y.data, y.stride);
    for (size_t i = 0; i < y.rows; ++i) p.then(y.row(i) + m0, end - m0, y.row(i) + m0);
  }
}

// Work items are (block, map, tile of W's rows), tiles innermost; a range of them that lies in one
// block and map is one call.
void multiply(std::span<const Product> products, const Blocks& blocks, const std::byte* scratch,
              const Executor& executor) {
  size_t tiles = 0;
  for (const Product& p : products) tiles += row_tiles(*p.linear);
  const quant::Linear& any = *products.front().linear;
  const size_t per_tile = blocks.most * any.row_tile() * any.k();
  const size_t grain = std::max<size_t>(1, kWork / std::max<size_t>(1, per_tile));
  executor.for_ranges(blocks.count * tiles, grain, [&](size_t begin, size_t end) {
    while (begin < end) {
      const size_t b = begin / tiles;
      size_t first = begin % tiles;
      const Product* p = products.data();
      while (first >= row_tiles(*p->linear)) first -= row_tiles(*p++->linear);
      const size_t last = std::min(row_tiles(*p->linear), first + (end - begin));
      const size_t rows = p->linear->row_tile();
      multiply(*p, scratch + b * blocks.bytes,
               p->y.slice_rows(b * blocks.most, blocks.tokens(b)), first * rows,
               std::min(p->linear->m(), last * rows));
      begin += last - first;
    }
  });
}

// One block of tokens: parts of h, each prepared for `down` where it is made.
struct HiddenBlock {
  const Hidden& hidden;
  const quant::Linear& down;
  const std::byte* from;  // x, prepared for `up` and `gate`
  std::byte* to;          // h, prepared for `down`
  float* part;            // room for two parts, a slot
  size_t n, cols;         // tokens, and columns of a part
  quant::Isa isa;

  size_t slot_floats() const { return 2 * n * cols; }

  void make(size_t slot, size_t m0, size_t m1) const {
    Mat<float> up(part + slot * slot_floats(), n, m1 - m0, cols);
    hidden.up->run_part(from, n, m0, m1, up.data, up.stride);
    Mat<float> h = up;
    if (hidden.gate != nullptr) {
      h = Mat<float>(up.data + n * cols, n, m1 - m0, cols);
      hidden.gate->run_part(from, n, m0, m1, h.data, h.stride);
    }
    const auto multiply = kernels(isa).multiply;
    for (size_t i = 0; i < n; ++i) {
      hidden.then(h.row(i), h.cols, h.row(i));
      if (hidden.gate != nullptr) multiply(up.row(i), h.cols, h.row(i));
    }
    down.prepare_inputs(h.data, h.stride, n, to, m0, m1);
  }
};

void check(const quant::Linear& linear, Mat<const float> x, Mat<float> y) {
  const size_t n = x.rows, m = linear.m(), k = linear.k();
  if (x.cols != k || y.rows != n || y.cols != m)
    throw Error("linear map " + shape(m, k) + ": expected x " + shape(n, k) + " and y " +
                shape(n, m) + ", found x " + shape(n, x.cols) + " and y " + shape(y.rows, y.cols));
}

}  // namespace

void apply(std::span<const Product> products, Mat<const float> x, const Executor& executor,
           Workspace& workspace) {
  for (const Product& p : products) check(*p.linear, x, p.y);
  if (x.rows == 0) return;
  if (MapObserver* observer = workspace.observer())
    for (const Product& p : products) observer->see(*p.linear, x);
  while (!products.empty()) {
    const quant::Linear& linear = *products.front().linear;
    size_t alike = 1;
    while (alike < products.size() && products[alike].linear->prepares_as(linear)) ++alike;
    if (linear.m() != 0) {
      const Workspace::Frame frame(workspace);
      const Blocks blocks(linear, x.rows);
      std::byte* scratch = workspace.bytes(blocks.count * blocks.bytes);
      prepare(linear, x, blocks, scratch, executor);
      multiply(products.first(alike), blocks, scratch, executor);
    }
    products = products.subspan(alike);
  }
}

void apply(const quant::Linear& linear, Mat<const float> x, Mat<float> y, const Executor& executor,
           Workspace& workspace) {
  const Product product{&linear, y};
  apply({&product, 1}, x, executor, workspace);
}

bool apply_through(const Hidden& hidden, const quant::Linear& down, Mat<const float> x,
                   Mat<float> y, const Executor& executor, Workspace& workspace, quant::Isa isa) {
  const quant::Linear &up = *hidden.up, *gate = hidden.gate;
  if (!down.prepares_inputs() || workspace.observer() != nullptr) return false;
  if (gate != nullptr && !gate->prepares_as(up)) return false;
  const size_t f = up.m();
  check(up, x, Mat<float>(nullptr, x.rows, f));
  if (gate != nullptr) check(*gate, x, Mat<float>(nullptr, x.rows, f));
  check(down, Mat<const float>(nullptr, x.rows, f), y);
  if (x.rows == 0) return true;
  const Workspace::Frame frame(workspace);
  constexpr size_t kTile = quant::Linear::kInputTile;
  const Blocks blocks(down, x.rows);
  const size_t most = blocks.most, tiles = (f + kTile - 1) / kTile;
  const size_t cols =
      std::clamp<size_t>(kNearBytes / (most * sizeof(float)) / kTile, 1, tiles) * kTile;
  const Blocks first(up, most, most);
  std::byte* const from = workspace.bytes(first.bytes);
  std::byte* const to = workspace.bytes(blocks.bytes);
  const size_t slots = static_cast<size_t>(executor.threads());
  float* const part = workspace.array<float>(slots * 2 * most * cols).data();
  for (size_t at = 0; at < x.rows; at += most) {
    const size_t n = std::min(most, x.rows - at);
    prepare(up, x.slice_rows(at, n), Blocks(up, n, n), from, executor);
    const HiddenBlock block{hidden, down, from, to, part, n, cols, isa};
    const size_t grain = std::max<size_t>(1, kWork / (n * kTile * up.k() + 1));
    executor.for_ranges(tiles, grain, [&](size_t slot, size_t begin, size_t end) {
      const size_t last = std::min(f, end * kTile);
      for (size_t m0 = begin * kTile; m0 < last; m0 += cols)
        block.make(slot, m0, std::min(last, m0 + cols));
    });
    const Product product{&down, y.slice_rows(at, n)};
    multiply({&product, 1}, Blocks(down, n, n), to, executor);
  }
  return true;
}

}  // namespace sterna::nn
