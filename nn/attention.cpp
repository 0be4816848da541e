#include <sterna/nn/attention.h>
#include <sterna/quant/error.h>

#include <algorithm>
#include <array>
#include <string>

#include "attention_bf16.h"
#include "groups.h"
#include "kernels.h"

namespace sterna::nn {

namespace {

constexpr size_t kQueries = 24;  // a work item: four tiles of the kernel's six rows

/// One text's keys: rows [first, first + count), packed at row `packed` of each head's panel.
struct Segment {
  size_t first, count, packed;
};
/// Queries [first, first + count) of one segment.
struct Block {
  size_t segment, first, count;
};
/// Keys of a segment that some query of a block may see: `first` is a multiple of a panel's 16.
struct Keys {
  size_t first, count;
};

size_t round16(size_t n) { return (n + 15) / 16 * 16; }

void check(Mat<const float> q, Mat<const float> k, Mat<const float> v, size_t heads,
           size_t kv_heads, Mat<float> out) {
  const auto text = [](const char* what, size_t rows, size_t cols) {
    return std::string(what) + " [" + std::to_string(rows) + ", " + std::to_string(cols) + "]";
  };
  const size_t d = q.cols;
  if (heads == 0 || d % heads != 0 || d / heads > kMostHead)
    throw Error("attention: expected a width of heads x at most " + std::to_string(kMostHead) +
                ", found width " + std::to_string(d) + " and " + std::to_string(heads) + " heads");
  if (kv_heads == 0 || heads % kv_heads != 0)
    throw Error("attention: expected a number of key heads that divides " + std::to_string(heads) +
                " heads, found " + std::to_string(kv_heads));
  const size_t narrow = d / heads * kv_heads;
  if (k.cols != narrow || v.cols != narrow || out.cols != d || k.rows != v.rows ||
      out.rows != q.rows || (k.rows == 0 && q.rows > 0))
    throw Error("attention: shapes disagree: " + text("q", q.rows, d) + ", " +
                text("k", k.rows, k.cols) + ", " + text("v", v.rows, v.cols) + ", " +
                text("out", out.rows, out.cols));
}

void check(std::span<const uint32_t> starts, size_t rows) {
  if (!rises(starts, rows))
    throw Error("attention: expected starts that rise from 0 to " + std::to_string(rows));
}

/// What a block's queries may see. Positions rise by one a token or more, so a distance in
/// positions is at least that in rows.
Keys visible(const Segment& s, const Block& b, const Reach& reach) {
  const size_t row = b.first - s.first, back = reach.back, ahead = reach.ahead;
  const size_t first = row > back ? (row - back) / 16 * 16 : 0;
  const size_t last = std::min(s.count, row + b.count + std::min(ahead, s.count));
  return {first, last - first};
}

/// Blocks of at most `most` queries; `queries(i)` = first and past-the-end row of q that attend to
/// segment i.
template <class Queries>
std::span<const Block> cut(std::span<const Segment> segments, const Queries& queries, size_t most,
                           Workspace& workspace) {
  size_t n = 0;
  for (size_t i = 0; i < segments.size(); ++i) {
    const auto [begin, end] = queries(i);
    n += (end - begin + most - 1) / most;
  }
  const std::span<Block> blocks = workspace.array<Block>(n);
  n = 0;
  for (size_t i = 0; i < segments.size(); ++i) {
    const auto [begin, end] = queries(i);
    for (size_t r = begin; r < end; r += most) blocks[n++] = {i, r, std::min(most, end - r)};
  }
  return blocks;
}

/// Blocks of queries, all heads, that are worth handing to another thread.
size_t grain_of(size_t queries, size_t blocks, size_t keys, size_t dim) {
  const size_t average = std::max<size_t>(1, queries / blocks * keys * dim * 2);
  return std::max<size_t>(1, (size_t{1} << 18) / average);
}

/// For cut(): queries of a segment are its own rows.
auto own_rows(std::span<const Segment> segments) {
  return [segments](size_t i) {
    return std::array<size_t, 2>{segments[i].first, segments[i].first + segments[i].count};
  };
}

void attend_bf16(Mat<const float> q, Mat<const float> k, Mat<const float> v,
                 const GroupedAttention& kind, std::span<const Segment> segments, Mat<float> out,
                 const Executor& executor, Workspace& workspace, quant::Isa isa) {
  const size_t group = kind.heads / kind.kv_heads, dim = q.cols / kind.heads;
  const auto at = workspace.array<size_t>(segments.size() + 1);  // of each segment's packed heads
  size_t most = 0;
  for (size_t i = 0; i < segments.size(); ++i) {
    at[i + 1] = at[i] + kind.kv_heads * bf16::packed_bytes(segments[i].count, dim);
    most = std::max(most, segments[i].count);
  }
  std::byte* packed = workspace.bytes(at.back());
  const auto head = [&](size_t segment, size_t h) {
    return packed + at[segment] + h * bf16::packed_bytes(segments[segment].count, dim);
  };
  executor.for_ranges(kind.kv_heads * segments.size(), 1, [&](size_t begin, size_t end) {
    for (size_t i = begin; i < end; ++i) {
      const size_t h = i / segments.size();
      const Segment& s = segments[i % segments.size()];
      bf16::pack(k.row(s.first) + h * dim, k.stride, v.row(s.first) + h * dim, v.stride, s.count,
                 dim, head(i % segments.size(), h), isa);
    }
  });
  const std::span<const Block> blocks =
      cut(segments, own_rows(segments), bf16::kQueries, workspace);
  const bf16::Room room = bf16::room(packed, most, dim, isa);
  std::byte* scratch = workspace.bytes(static_cast<size_t>(executor.threads()) * room.bytes);
  executor.for_ranges(
      kind.heads * blocks.size(),
      grain_of(q.rows, blocks.size(), k.rows / segments.size(), dim),
      [&](size_t slot, size_t begin, size_t end) {
        for (size_t i = begin; i < end; ++i) {
          const size_t h = i / blocks.size();
          const Block& b = blocks[i % blocks.size()];
          bf16::attend(q.row(b.first) + h * dim, q.stride, b.count, head(b.segment, h / group),
                       segments[b.segment].count, dim, kind.scale, out.row(b.first) + h * dim,
                       out.stride, scratch + slot * room.bytes, room, isa);
        }
      });
}

/// Of `sequences`, positions and hidden are used, where not all is seen.
template <class Queries>
void attend(Mat<const float> q, Mat<const float> k, Mat<const float> v,
            const GroupedAttention& kind, std::span<const Segment> segments, const Queries& queries,
            const Sequences& sequences, Mat<float> out, const Executor& executor,
            Workspace& workspace, quant::Isa isa) {
  const Kernels& kernel = kernels(isa);
  const size_t heads = kind.heads, kv_heads = kind.kv_heads, group = heads / kv_heads;
  const bool all = kind.reach.all() && sequences.hidden.empty();
  const size_t dim = q.cols / heads, wide = round16(dim);
  const size_t tall = segments.back().packed + round16(segments.back().count);
  float* kt = workspace.mat<float>(kv_heads * tall, dim).data;
  float* vp = workspace.mat<float>(kv_heads * tall, wide).data;
  const std::span<const Block> blocks = cut(segments, queries, kQueries, workspace);

  const size_t pack_grain = std::max<size_t>(1, 16384 * segments.size() / (tall * dim + 1));
  executor.for_ranges(kv_heads * segments.size(), pack_grain, [&](size_t begin, size_t end) {
    for (size_t i = begin; i < end; ++i) {
      const size_t h = i / segments.size();
      const Segment& s = segments[i % segments.size()];
      const size_t at = h * tall + s.packed;
      kernel.pack_keys(k.row(s.first) + h * dim, k.stride, s.count, dim, kt + at * dim);
      kernel.pack_values(v.row(s.first) + h * dim, v.stride, s.count, dim, vp + at * wide);
    }
  });
  executor.for_ranges(heads * blocks.size(),
                      grain_of(q.rows, blocks.size(), k.rows / segments.size(), dim),
                      [&](size_t begin, size_t end) {
                        for (size_t i = begin; i < end; ++i) {
                          const size_t h = i / blocks.size();
                          const Block& b = blocks[i % blocks.size()];
                          const Segment& s = segments[b.segment];
                          const Keys keys = all ? Keys{0, s.count} : visible(s, b, kind.reach);
                          const size_t at = h / group * tall + s.packed + keys.first;
                          KeyMask mask{};
                          if (!all) {
                            const size_t first = s.first + keys.first;
                            mask = {&sequences.positions[b.first], &sequences.positions[first],
                                    sequences.hidden.empty() ? nullptr : &sequences.hidden[first],
                                    kind.reach.back, kind.reach.ahead};
                          }
                          kernel.attend(q.row(b.first) + h * dim, q.stride, b.count, kt + at * dim,
                                        vp + at * wide, keys.count, dim, kind.scale,
                                        all ? nullptr : &mask, out.row(b.first) + h * dim,
                                        out.stride);
                        }
                      });
}

}  // namespace

void attention(Mat<const float> q, Mat<const float> k, Mat<const float> v, size_t heads,
               float scale, Mat<float> out, const Executor& executor, Workspace& workspace,
               quant::Isa isa) {
  check(q, k, v, heads, heads, out);
  if (q.rows == 0) return;
  const Workspace::Frame frame(workspace);
  const Segment segment{0, k.rows, 0};
  attend(
      q, k, v, {heads, heads, scale, {}}, std::span(&segment, 1),
      [&](size_t) {
        return std::array<size_t, 2>{0, q.rows};
      },
      {}, out, executor, workspace, isa);
}

void attention(Mat<const float> q, Mat<const float> k, Mat<const float> v, size_t heads,
               float scale, std::span<const uint32_t> starts, Mat<float> out,
               const Executor& executor, Workspace& workspace, quant::Isa isa) {
  attention(q, k, v, {heads, heads, scale, {}}, {starts, {}, {}}, out, executor, workspace, isa);
}

void attention(Mat<const float> q, Mat<const float> k, Mat<const float> v,
               const GroupedAttention& kind, const Sequences& sequences, Mat<float> out,
               const Executor& executor, Workspace& workspace, quant::Isa isa) {
  check(q, k, v, kind.heads, kind.kv_heads, out);
  const auto [starts, positions, hidden] = sequences;
  check(starts, q.rows);
  const bool masked = !kind.reach.all() || !hidden.empty();
  if (k.rows != q.rows || (masked && positions.size() != q.rows) ||
      (!hidden.empty() && hidden.size() != q.rows))
    throw Error("attention: expected " + std::to_string(q.rows) +
                " keys, positions and flags, found " + std::to_string(k.rows) + ", " +
                std::to_string(positions.size()) + " and " + std::to_string(hidden.size()));
  if (q.rows == 0) return;
  const Workspace::Frame frame(workspace);
  const size_t n = starts.size() - 1, dim = q.cols / kind.heads;
  auto* segments = reinterpret_cast<Segment*>(workspace.bytes(n * sizeof(Segment)));
  size_t used = 0;
  for (size_t i = 0; i < n; ++i) {
    if (starts[i] == starts[i + 1]) continue;  // an empty text
    segments[used++] = {starts[i], starts[i + 1] - starts[i], 0};
  }
  const std::span<Segment> all(segments, used);
  const auto exact = std::partition(all.begin(), all.end(), [&](const Segment& s) {
    return masked || !kind.bf16 || s.count * dim <= bf16::kLeastWork;
  });
  size_t packed = 0;
  for (Segment& s : std::span(all.begin(), exact)) {
    s.packed = packed;
    packed += round16(s.count);
  }
  if (const std::span<const Segment> of(all.begin(), exact); !of.empty())
    attend(q, k, v, kind, of, own_rows(of), sequences, out, executor, workspace, isa);
  if (const std::span<const Segment> of(exact, all.end()); !of.empty())
    attend_bf16(q, k, v, kind, of, out, executor, workspace, isa);
}

}  // namespace sterna::nn
