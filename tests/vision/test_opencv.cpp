// Video and cv::Mat; in a build with STERNA_OPENCV=OFF, that both say so.

#include <doctest/doctest.h>
#include <sterna/quant/error.h>
#include <sterna/vision/decode.h>
#include <sterna/vision/resize.h>
#include <sterna/vision/video.h>
#include <tests/support/folder.h>

#include <cmath>
#include <string>
#include <vector>

#include "pixels_support.h"

using namespace sterna;
using namespace sterna::vision;

namespace {

std::string message_of(const std::string& source) {
  try {
    Video video(source);
  } catch (const Error& e) {
    return e.what();
  }
  return "no error";
}

}  // namespace

TEST_CASE("a source that is no video is named, with the fault") {
  const std::string missing = test::golden("video/none.avi");
  CHECK(message_of(missing) == missing + ": expected a video, found no such file");
  CHECK(test::contains(message_of(test::golden("video")), "found a directory"));
  CHECK(test::contains(message_of("camera:x"), "expected a camera number"));
  const std::string text = test::golden("broken/text.jpg");
  const std::string message = message_of(text);
  INFO(message);
  CHECK(message.starts_with(text + ": "));
  CHECK_FALSE(test::contains(message, "\n"));
}

#ifdef STERNA_HAVE_OPENCV
#include <sterna/vision/opencv.h>

TEST_CASE("a video gives its frames in order with their times") {
  Video video(test::golden("video/clip.avi"));
  CHECK(video.info().width == 48);
  CHECK(video.info().height == 32);
  CHECK(video.info().fps == doctest::Approx(10));
  CHECK(video.info().frames == 8);
  for (uint64_t i = 0; i < 8; ++i) {
    INFO("frame ", i);
    const auto frame = i == 3 ? video.skip() : video.next();
    REQUIRE(frame);
    CHECK(frame->index == i);
    CHECK(frame->seconds == doctest::Approx(static_cast<double>(i) / 10).epsilon(1e-3));
    if (i == 3) {
      CHECK(frame->pixels.data == nullptr);
      continue;
    }
    REQUIRE(frame->pixels.width == 48);
    REQUIRE(frame->pixels.height == 32);
    std::vector<uint8_t> rgb(48 * 32 * 3);
    to_rgb8(frame->pixels, rgb.data(), 48 * 3);
    double sum = 0;
    for (uint8_t v : rgb) sum += v;
    CHECK(std::abs(sum / static_cast<double>(rgb.size()) - 30.0 * static_cast<double>(i)) < 3);
  }
  CHECK_FALSE(video.next());
  CHECK_FALSE(video.next());
}

TEST_CASE("a cv::Mat is viewed without a copy, whatever its type and stride") {
  const Image image = test::noise(21, 13, 3);
  const Image want = resize(image.view(), 8, 8, Filter::bicubic);
  cv::Mat big(20, 40, CV_8UC3);
  cv::Mat bgr = big(cv::Rect(5, 4, 21, 13));  // rows further apart than they are long
  cv::Mat bgra16(13, 21, CV_16UC4);
  for (int y = 0; y < 13; ++y) {
    for (int x = 0; x < 21; ++x) {
      const uint8_t* p = &image.rgb[static_cast<size_t>(y * 21 + x) * 3];
      bgr.at<cv::Vec3b>(y, x) = {p[2], p[1], p[0]};
      bgra16.at<cv::Vec<uint16_t, 4>>(y, x) = {static_cast<uint16_t>(p[2] * 257),
                                               static_cast<uint16_t>(p[1] * 257),
                                               static_cast<uint16_t>(p[0] * 257), 99};
    }
  }
  CHECK(view(bgr).data == bgr.data);
  CHECK(view(bgr).stride == 120);
  CHECK(resize(view(bgr), 8, 8, Filter::bicubic).rgb == want.rgb);
  CHECK(resize(view(bgra16), 8, 8, Filter::bicubic).rgb == want.rgb);
  CHECK(view(cv::Mat(4, 5, CV_8UC1)).format == PixelFormat::gray);
  CHECK_THROWS_AS(view(cv::Mat()), Error);
  CHECK_THROWS_AS(view(cv::Mat(4, 5, CV_32FC3)), Error);
  CHECK_THROWS_AS(view(cv::Mat(4, 5, CV_8UC2)), Error);
}
#else
TEST_CASE("a build without OpenCV says so") {
  CHECK(test::contains(message_of(test::golden("video/clip.avi")), "STERNA_OPENCV=OFF"));
}
#endif
