// Times reading, decoding and resizing a picture: one JSON object a line, in milliseconds, the
// fastest of the repeats: other work on the machine only ever adds.
//   perf_pixels FILE [SIZE] [REPEATS]
#include <sterna/quant/error.h>
#include <sterna/vision/decode.h>
#include <sterna/vision/preprocess.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

using namespace sterna;
using namespace sterna::vision;

namespace {

template <class F>
double fastest_ms(int repeats, F&& f) {
  double fastest = 1e300;
  for (int i = 0; i < repeats; ++i) {
    const auto start = std::chrono::steady_clock::now();
    f();
    const std::chrono::duration<double, std::milli> took = std::chrono::steady_clock::now() - start;
    fastest = std::min(fastest, took.count());
  }
  return fastest;
}

void print(std::string_view step, std::string_view isa, double ms) {
  std::printf("{\"step\": \"%.*s\", \"isa\": \"%.*s\", \"ms\": %.4f}\n",
              static_cast<int>(step.size()), step.data(), static_cast<int>(isa.size()), isa.data(),
              ms);
}

void measure(const std::string& file, size_t size, int repeats) {
  Image image = decode_file(file);
  print("decode", decoder_name(), fastest_ms(repeats, [&] { image = decode_file(file); }));
  Preprocess p;
  p.size = size;
  std::vector<uint8_t> small(size * size * 3);
  nn::Workspace workspace;
  for (quant::Isa isa : {quant::Isa::scalar, quant::Isa::avx2, quant::Isa::avx512}) {
    if (!quant::has_isa(isa)) continue;
    const auto resize = [&] { fit_pixels(image.view(), p, small, workspace, nullptr, isa); };
    print("resize", name(isa), fastest_ms(repeats, resize));
  }
  print("decode+resize", name(quant::best_isa()), fastest_ms(repeats, [&] {
          image = decode_file(file);
          fit_pixels(image.view(), p, small, workspace);
        }));
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2) {
    std::fprintf(stderr, "usage: perf_pixels FILE [SIZE] [REPEATS]\n");
    return 2;
  }
  try {
    measure(argv[1], argc > 2 ? std::strtoul(argv[2], nullptr, 10) : 224,
            argc > 3 ? std::max(1, std::atoi(argv[3])) : 200);
  } catch (const Error& e) {
    std::fprintf(stderr, "perf_pixels: %s\n", e.what());
    return 1;
  }
  return 0;
}
