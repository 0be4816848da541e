#pragma once

#include <sterna/decoder/ward.h>

#include <cstddef>
#include <memory>
#include <optional>
#include <span>
#include <vector>

namespace sterna::decoder {

/// A stretch of a stream with one meaning: what is worth one decode.
struct Segment {
  size_t first = 0;   // number of its first frame, counted from 0 over all frames pushed
  size_t frames = 0;  // frames from `first` to the next segment, invalid ones among them
  double start = 0;   // seconds
  double end = 0;     // seconds: the start of the next segment; the last frame lasts one step
  /// [d] the direction of the average embedding, of unit length; zeros if the frames cancel out.
  std::span<const float> average;
  /// Length of the average before it was normalised: 1 if all frames agree.
  float cohesion = 0;
};

/// What became of a frame.
enum class Push {
  taken,
  invalid,  // not finite, or an embedding of zeros: left out of every sum
};

/// Decides when a stream of embeddings is worth decoding. Frames go in, segments come out:
///
///   while (...) {
///     gate.push(time, embedding);
///     while (const Segment* s = gate.next()) decode(*s);
///   }
///   gate.finish();
///   while (const Segment* s = gate.next()) decode(*s);
///
/// The segments cover the stream from its first valid frame on, without gaps or overlaps.
/// Embeddings need not be of unit length; only their direction counts. Times are seconds; they may
/// repeat, jump and run backwards (a stream that was lost and found again): see StreamClock. Not
/// for two threads at once.
class Gate {
 public:
  virtual ~Gate() = default;

  /// Throws Error if `embedding` has another width than the gate, after finish(), or while a
  /// segment that has ended was not taken.
  virtual Push push(double time, std::span<const float> embedding) = 0;
  /// The stream is over: the open segment may go.
  virtual void finish() = 0;
  /// The next segment that has ended; null if there is none yet. Valid until the next call.
  virtual const Segment* next() = 0;
  /// How different the newest frames are from the open segment, and the value at which that is a
  /// change; 0 for a gate that does not measure. For curves in reports.
  virtual double statistic() const { return 0; }
  virtual double threshold() const { return 0; }
  /// Whether it keeps what it got until finish(): its memory grows with the stream.
  virtual bool keeps_all() const { return false; }
};

/// Seconds of a stream out of the stamps of its frames. Never runs backwards: a stamp before the
/// last one means that the source began anew, and the stream goes on as much later as the frame
/// before did.
class StreamClock {
 public:
  /// The time of the frame with that stamp; the first frame keeps its own. `stamp` is finite.
  double advance(double stamp);
  /// Seconds between the last two frames, 0 after the first.
  double step() const { return step_; }

 private:
  bool started_ = false;
  double stamp_ = 0, time_ = 0, step_ = 0, forward_ = 0;
};

class SegmentQueue;

/// The uniform policy that selective decoding is measured against: a segment every `seconds`,
/// whatever is seen. Frames count alike.
class UniformGate : public Gate {
 public:
  /// Throws Error for a width of 0 or a period that is not positive.
  UniformGate(size_t dim, double seconds);
  ~UniformGate() override;
  Push push(double time, std::span<const float> embedding) override;
  void finish() override;
  const Segment* next() override;

 private:
  double seconds_;
  StreamClock clock_;
  size_t frame_ = 0;  // frames pushed
  size_t first_ = 0;  // of the open segment
  double start_ = 0, period_ = 0, time_ = 0, weight_ = 0;
  bool finished_ = false;
  std::vector<float> unit_;
  std::vector<double> sum_;
  std::unique_ptr<SegmentQueue> queue_;
};

/// Where WardGate cuts: at most this many decodes a second, or merges up to this cost (in seconds
/// times squared distance, see change.h).
struct WardCut {
  std::optional<double> rate;
  std::optional<double> cost;
  double max_step = 1;  // seconds: what a frame weighs at most, before a gap in the stream
};

/// The offline policy as a gate: keeps every embedding (4 d bytes a frame), says nothing until
/// finish(), then gives all segments. Frames weigh as long as they last, so that a source may
/// deliver more of them at one time than at another.
class WardGate : public Gate {
 public:
  /// Throws Error unless exactly one cut is given and in range.
  WardGate(size_t dim, WardCut cut);
  Push push(double time, std::span<const float> embedding) override;
  void finish() override;
  const Segment* next() override;
  bool keeps_all() const override { return true; }

 private:
  size_t dim_;
  WardCut cut_;
  StreamClock clock_;
  size_t frame_ = 0;
  bool finished_ = false;
  std::vector<float> embeddings_;  // [n, d], valid frames
  std::vector<double> times_, weights_;
  std::vector<size_t> frames_;  // number in the stream of each valid frame
  std::vector<size_t> starts_;
  std::vector<float> averages_;
  size_t next_ = 0;
  double end_ = 0;
  Segment segment_;
};

/// Writes `x` / |x| to `out`. False, and `out` untouched, if `x` is not finite or is zero.
bool normalise(std::span<const float> x, std::span<float> out);

}  // namespace sterna::decoder
