// Asks every frame of a video (a file, a stream's URL, or a camera by number) and speaks only when
// the meaning changes. Shows the library in somebody else's OpenCV loop: the frame's pixels are
// viewed where they lie, nothing is copied, and words are decoded only for what is printed.
//
//   video_loop VIDEO|CAMERA MODEL.gguf ["question"]
#include <sterna/models/model.h>
#include <sterna/quant/error.h>
#include <sterna/vision/opencv.h>

#include <chrono>
#include <cstdio>
#include <exception>
#include <numeric>
#include <opencv2/videoio.hpp>
#include <string>
#include <vector>

namespace {

// Two frames mean the same while the cosine of their embeddings stays above this.
constexpr float kSame = 0.9F;

bool all_digits(const std::string& s) {
  return !s.empty() && s.find_first_not_of("0123456789") == std::string::npos;
}

int run(const std::string& source, const std::string& file, const std::string& question) {
  const sterna::Model model = sterna::Model::open(file);
  cv::VideoCapture video;
  if (all_digits(source) ? !video.open(std::stoi(source)) : !video.open(source)) {
    throw sterna::Error(source + ": expected a video or a camera, found none that opens");
  }

  // All state of this loop: after the first frame nothing below allocates.
  sterna::Session session;
  sterna::Scene scene;
  sterna::Answer answer;
  std::vector<float> meaning(model.dim()), spoken(model.dim());
  cv::Mat frame;
  size_t frames = 0;
  double busy = 0;  // seconds spent in the library
  while (video.read(frame)) {
    const double at = video.get(cv::CAP_PROP_POS_MSEC) / 1000;
    const auto start = std::chrono::steady_clock::now();
    model.see(sterna::vision::view(frame), scene, session);
    model.embed(scene, meaning, session);
    const float cosine = std::inner_product(meaning.begin(), meaning.end(), spoken.begin(), 0.0F);
    const bool changed = frames == 0 || cosine < kSame;
    if (changed) {
      model.answer(scene, question, nullptr, 1, answer, session);
      spoken = meaning;
    }
    busy += std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    if (changed) {
      std::printf("%8.2f s  %s%s (%.0f %%)\n", at, answer.text.c_str(), answer.sure ? "" : "?",
                  100 * static_cast<double>(answer.confidence));
    }
    ++frames;
  }
  if (frames == 0) throw sterna::Error(source + ": expected frames, found none");
  std::printf("%zu frames, %zu decodes, %.1f ms a frame\n", frames, session.decodes,
              1000 * busy / static_cast<double>(frames));
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 3 || argc > 4) {
    std::fprintf(stderr, "usage: video_loop VIDEO|CAMERA MODEL.gguf [\"question\"]\n");
    return 2;
  }
  try {
    return run(argv[1], argv[2], argc > 3 ? argv[3] : "what is in the picture?");
  } catch (const std::exception& e) {
    std::fprintf(stderr, "video_loop: %s\n", e.what());
    return 3;
  }
}
