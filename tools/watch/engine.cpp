#include "watch/engine.h"

#include <sterna/quant/error.h>

#include <chrono>
#include <exception>
#include <limits>
#include <memory>
#include <optional>
#include <vector>

#include "cli/thumbnail.h"

namespace sterna::cli {
namespace {

// Frames (24 bytes each) and thumbnails (57 kB) remembered for the middle of a segment.
constexpr size_t kKeyframes = size_t{1} << 16, kThumbnails = 256;
constexpr size_t kThumbnailSide = 160;
constexpr double kMeterSeconds = 60;

/// Adds the seconds that it lives to a sum.
class Timer {
 public:
  explicit Timer(double& sum) : sum_(sum), start_(Clock::now()) {}
  Timer(const Timer&) = delete;
  Timer& operator=(const Timer&) = delete;
  ~Timer() { sum_ += std::chrono::duration<double>(Clock::now() - start_).count(); }

 private:
  using Clock = std::chrono::steady_clock;
  double& sum_;
  Clock::time_point start_;
};

class Watch {
 public:
  Watch(const FrameSource& source, PixelDifference* difference, decoder::Gate& gate,
        const WatchModel& model, WatchOutputs& outputs)
      : source_(source),
        difference_(difference),
        gate_(gate),
        model_(model),
        outputs_(outputs),
        encoder_(model.dim, model.embed, model.clips),
        keyframes_(gate.keeps_all() ? std::numeric_limits<size_t>::max() : kKeyframes, kThumbnails),
        embedding_(model.dim) {}

  void look(const SourceFrame& frame) {
    const double now = clock_.advance(frame.seconds);
    if (summary_.frames == 0) first_ = now;
    summary_.seconds = now - first_;
    if (outputs_.meter != nullptr && now - metered_ >= kMeterSeconds) {
      outputs_.meter->read();  // before the energy counters wrap
      metered_ = now;
    }
    if (!encode(frame, now)) return;
    const size_t number = summary_.frames++;
    keyframes_.add({number, frame.index, thumbnail_});
    if (gate_.push(now, embedding_) == decoder::Push::invalid) ++summary_.invalid;
    guard(outputs_.report,
          [&](WatchReport& r) { r.sample(now, gate_.statistic(), gate_.threshold()); });
    tell();
  }

  WatchSummary finish() {
    gate_.finish();
    tell();
    release();
    summary_.dropped = source_.dropped();
    summary_.decoder_flops = summary_.decodes * model_.decode_flops;
    if (model_.recall != nullptr) summary_.decoder_flops += model_.recall->flops();
    if (outputs_.meter != nullptr) summary_.cost = outputs_.meter->read();
    guard(outputs_.report, [&](WatchReport& r) { r.finish(summary_); });
    guard(outputs_.log, [&](EmbeddingLog& l) { l.finish(); });
    return summary_;
  }

  /// `file`: that the frame is, or null.
  void failed(const Error& error, const std::string* file) {
    ++summary_.failed;
    outputs_.warn(error.what());
    if (file == nullptr || !outputs_.file_failed) return;
    say([&] { outputs_.file_failed(*file, error.what()); });
  }

  /// What outputs.event or file_failed threw, if they did: they are not called any more.
  const std::exception_ptr& broken() const { return broken_; }

 private:
  /// Fills embedding_ with the frame's (of the clip that ends with it), or leaves the last one's if
  /// nothing has changed. False if the frame could not be encoded.
  bool encode(const SourceFrame& frame, double now) {
    try {
      const bool same = difference_ != nullptr && !changed(frame.pixels) && encoded_;
      encoded_ = false;  // the next frame is not to be compared with one that failed
      const FrameEncoder::Result result = embed(frame.pixels, now, same);
      encoded_ = true;
      ++(result.passed ? summary_.embedded : summary_.unchanged);
      if (!result.moved) return true;
      if (outputs_.report != nullptr && !same)
        thumbnail_ = thumbnail(frame.pixels, kThumbnailSide);
    } catch (const Error& error) {
      const std::string* file = source_.file(frame.index);
      const std::string name = file ? *file : "frame " + std::to_string(frame.index);
      failed(Error(name + ": " + error.what()), file);
      return false;
    }
    guard(outputs_.log, [&](EmbeddingLog& l) {
      l.add(frame.index, frame.seconds, embedding_, source_.file(frame.index));
    });
    return true;
  }

  bool changed(const vision::ImageView& pixels) {
    const Timer timer(summary_.compare_seconds);
    return difference_->changed(pixels);
  }

  FrameEncoder::Result embed(const vision::ImageView& pixels, double now, bool same) {
    const Timer timer(summary_.embed_seconds);
    return encoder_.encode(pixels, now, same, embedding_);
  }

  /// Puts every segment that has ended into words.
  void tell() {
    while (const decoder::Segment* segment = gate_.next()) {
      const Keyframes::Frame key = keyframes_.take(segment->first, segment->frames);
      const std::string* file = source_.file(key.index);
      WatchEvent event{segment->start, segment->end, "", 0, key.index, file ? *file : ""};
      {
        const Timer timer(summary_.decode_seconds);
        put_into_words(segment->average, event);
      }
      if (held_ && held_->event.text == event.text && !event.text.empty()) {
        extend(*held_, event, key.thumbnail);
        continue;
      }
      release();
      held_ = {event, key.thumbnail};
      if (!outputs_.join) release();
    }
  }

  struct Held {
    WatchEvent event;
    std::shared_ptr<const vision::Image> thumbnail;
  };

  /// A segment that says the same again: the surest of them stands for all.
  static void extend(Held& held, const WatchEvent& next,
                     const std::shared_ptr<const vision::Image>& thumbnail) {
    held.event.end = next.end;
    if (next.confidence <= held.event.confidence) return;
    held.event.confidence = next.confidence;
    held.event.frame = next.frame;
    held.event.file = next.file;
    held.thumbnail = thumbnail;
  }

  void release() {
    if (!held_) return;
    say([&] { outputs_.event(held_->event); });
    guard(outputs_.report, [&](WatchReport& r) { r.add(held_->event, held_->thumbnail.get()); });
    held_.reset();
  }

  void put_into_words(std::span<const float> meaning, WatchEvent& event) {
    if (model_.recall != nullptr) {
      if (const decoder::Words* known = model_.recall->find(meaning)) {
        event.text = known->text;
        event.confidence = known->confidence;
        ++summary_.recalled;
        return;
      }
    }
    model_.decode(meaning, event.text, event.confidence);
    ++summary_.decodes;
    if (model_.recall != nullptr) model_.recall->keep(meaning, {event.text, event.confidence});
  }

  /// Where events go may be at its end; report and log are to be finished all the same.
  template <class F>
  void say(F&& tell_of) {
    if (broken_) return;
    try {
      tell_of();
    } catch (...) {
      broken_ = std::current_exception();
    }
  }

  /// An output that can't be written (disk full) is named once and let go; the stream goes on.
  template <class Output, class F>
  void guard(Output*& output, F&& write) {
    if (output == nullptr) return;
    try {
      write(*output);
    } catch (const Error& error) {
      outputs_.warn(error.what());
      outputs_.failed = true;
      output = nullptr;
    }
  }

  const FrameSource& source_;
  PixelDifference* difference_;
  decoder::Gate& gate_;
  const WatchModel& model_;
  WatchOutputs& outputs_;
  FrameEncoder encoder_;
  Keyframes keyframes_;
  decoder::StreamClock clock_;
  std::vector<float> embedding_;
  bool encoded_ = false;
  std::shared_ptr<const vision::Image> thumbnail_;
  std::optional<Held> held_;
  std::exception_ptr broken_;
  double first_ = 0, metered_ = 0;
  WatchSummary summary_;
};

}  // namespace

WatchSummary watch(FrameSource& source, PixelDifference* difference, decoder::Gate& gate,
                   const WatchModel& model, WatchOutputs& outputs) {
  Watch watch(source, difference, gate, model, outputs);
  while (!watch.broken()) {
    std::optional<SourceFrame> frame;
    try {
      frame = source.next();
    } catch (const Error& error) {
      const auto* of = dynamic_cast<const FileError*>(&error);
      watch.failed(error, of ? &of->file : nullptr);
      if (source.resumable()) continue;
      break;  // what was seen before it is still worth its words
    }
    if (!frame) break;
    watch.look(*frame);
  }
  const WatchSummary summary = watch.finish();
  if (watch.broken()) std::rethrow_exception(watch.broken());
  return summary;
}

}  // namespace sterna::cli
