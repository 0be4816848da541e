#pragma once

#include <sterna/nn/key_values.h>
#include <sterna/nn/workspace.h>

#include <algorithm>
#include <cstddef>
#include <span>
#include <utility>

#include "beam_search.h"

namespace sterna::decoder {

/// What the blocks of a network keep of the texts of a beam search; a text's past follows it from
/// the one that it grew from. The memory is the workspace's.
class BeamCaches {
 public:
  /// Keys, and values, have `width` columns.
  BeamCaches(size_t beams, size_t positions, size_t blocks, size_t width,
             nn::Workspace& workspace) {
    for (std::span<nn::KeyValues>* list : {&now_, &spare_}) {
      *list = workspace.array<nn::KeyValues>(blocks);
      for (nn::KeyValues& kv : *list)
        kv = {workspace.mat<float>(beams * positions, 2 * width), positions, 0};
    }
  }

  std::span<nn::KeyValues> now() { return now_; }

  /// After beams.step().
  void follow(const BeamSearch& beams) {
    for (size_t b = 0; b < now_.size(); ++b) {
      spare_[b].past = now_[b].past;
      for (size_t i = 0; i < beams.live().size(); ++i) {
        const auto from = now_[b].sequence(beams.live()[i].parent, now_[b].past);
        std::copy_n(from.data, from.rows * from.cols, spare_[b].sequence(i, from.rows).data);
      }
    }
    std::swap(now_, spare_);
  }

 private:
  std::span<nn::KeyValues> now_, spare_;  // [blocks]
};

}  // namespace sterna::decoder
