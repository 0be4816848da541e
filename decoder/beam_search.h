#pragma once

#include <sterna/nn/mat.h>
#include <sterna/nn/workspace.h>

#include <cstddef>
#include <cstdint>
#include <span>

namespace sterna::decoder {

/// Beam search over pieces, told the network's probabilities step by step: of all continuations of
/// the live texts the `beams` most probable live on or, if they end, are done. It is over when
/// `beams` texts are done, none lives or all are as long as they may be. Its memory is the
/// workspace's; it allocates nothing.
class BeamSearch {
 public:
  static constexpr uint32_t kEnd = 0;  // the row of the end of a text

  struct Text {
    std::span<uint32_t> rows;  // [length]
    size_t pieces = 0;         // how many of them are written, without an end
    size_t parent = 0;         // the live text it grew from
    float sum = 0;             // of log-probabilities
    float score = 0;           // of a result: their mean, the end's included
  };

  /// One empty text lives. Texts have at most `length` rows, an end included.
  BeamSearch(size_t beams, size_t length, nn::Workspace& workspace);

  /// p [live, v]: the probabilities of each live text's next row. An empty text does not end.
  /// Equal ones go to the first text's lowest row; what is no number is never taken.
  void step(nn::Mat<const float> p);

  std::span<const Text> live() const { return live_.first(lives_); }
  size_t pieces() const { return pieces_; }  // of each live text
  bool finished() const { return dones_ >= beams_ || lives_ == 0 || pieces_ == length_; }
  /// Best first: texts that are done or, if there are none, those cut at the most length.
  std::span<const Text> result();

 private:
  struct Grown {
    size_t parent = 0;
    uint32_t row = 0;
    float sum = 0;
  };
  size_t best(nn::Mat<const float> p);
  void finish(const Text& text, float sum, size_t terms);

  size_t beams_, length_;
  size_t lives_ = 1, dones_ = 0, pieces_ = 0;
  std::span<Text> live_, next_, done_;  // [beams] each
  std::span<Grown> grown_;              // [beams]
};

}  // namespace sterna::decoder
