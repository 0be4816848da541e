#include <doctest/doctest.h>
#include <sterna/vision/vit.h>

#include <algorithm>
#include <numeric>
#include <vector>

using namespace sterna;

namespace {

constexpr size_t kWidth = 2, kTubelet = 3, kPixels = 3 * 2;  // frames of 2 x 1

/// No blocks: the patches' embeddings alone.
std::vector<float> tokens(const std::vector<float>& frames, size_t clips = 1) {
  std::vector<float> map(kWidth * 3 * kTubelet);
  for (size_t i = 0; i < map.size(); ++i) map[i] = static_cast<float>(i * i % 7) - 3;
  vision::VitWeights weights;
  weights.patch = quant::Linear(
      {quant::Type::f32, kWidth, 3 * kTubelet, std::as_bytes(std::span(map)), {}, 0});
  weights.patch_size = 1;
  weights.tubelet = kTubelet;
  weights.blocks = nn::Transformer({}, kWidth);
  const vision::Vit vit(std::move(weights));
  const vision::Clip clip{frames.data(), frames.size() / kPixels / clips, 1, 2, clips};
  std::vector<float> out(clips * vit.tokens(clip) * kWidth);
  const nn::Executor executor(1);
  nn::Workspace workspace;
  vit.forward(clip, {out.data(), out.size() / kWidth, kWidth}, executor, workspace);
  return out;
}

std::vector<float> repeated(const std::vector<float>& frames, size_t times) {
  std::vector<float> all;
  for (size_t i = 0; i < times; ++i) all.insert(all.end(), frames.begin(), frames.end());
  return all;
}

}  // namespace

TEST_CASE("frames that don't fill a tubelet: not seen at the end, repeated where too few") {
  std::vector<float> seven(7 * kPixels);
  std::iota(seven.begin(), seven.end(), 1.0F);
  const auto first = [&](size_t n) {
    return std::vector<float>(seven.begin(), seven.begin() + static_cast<long>(n * kPixels));
  };
  CHECK(tokens(first(3)).size() == 2 * kWidth);  // patches of a frame, one tubelet
  CHECK(tokens(first(6)).size() == 2 * 2 * kWidth);
  CHECK(tokens(first(7)) == tokens(first(6)));
  CHECK(tokens(first(5)) == tokens(first(3)));
  CHECK(tokens(first(5)) != tokens(first(6)));
  // transformers' VJEPA2Embeddings: repeat(1, 1, tubelet_size, 1, 1), two tubelets of two frames.
  CHECK(tokens(first(1)) == tokens(repeated(first(1), 3)));
  CHECK(tokens(first(2)) == tokens(repeated(first(2), 3)));
  CHECK(tokens(first(2)).size() == 2 * 2 * kWidth);
}

TEST_CASE("clips that go together give what each gives alone") {
  std::vector<float> frames(9 * kPixels);
  std::iota(frames.begin(), frames.end(), 1.0F);
  std::vector<float> apart;
  for (size_t i = 0; i < 3; ++i) {
    const auto begin = frames.begin() + static_cast<long>(i * 3 * kPixels);
    const auto one = tokens({begin, begin + static_cast<long>(3 * kPixels)});
    apart.insert(apart.end(), one.begin(), one.end());
  }
  CHECK(tokens(frames, 3) == apart);
}
