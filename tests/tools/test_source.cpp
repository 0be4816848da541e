#include <doctest/doctest.h>
#include <sterna/quant/error.h>
#include <tests/support/folder.h>
#include <unistd.h>

#include <string>
#include <thread>
#include <vector>

#include "cli/error.h"
#include "watch/source.h"

using namespace sterna;
using namespace sterna::cli;

TEST_CASE("sampler: the frames nearest to the due times") {
  const auto taken = [](double fps, double source_fps, size_t n) {
    Sampler sampler(fps);
    std::vector<size_t> out;
    for (size_t i = 0; i < n; ++i) {
      const double t = static_cast<double>(i) / source_fps;
      if (!sampler.due(t, 1 / source_fps)) continue;
      sampler.took(t);
      out.push_back(i);
    }
    return out;
  };
  CHECK(taken(0, 30, 4) == std::vector<size_t>{0, 1, 2, 3});
  CHECK(taken(10, 30, 10) == std::vector<size_t>{0, 3, 6, 9});
  CHECK(taken(60, 30, 3) == std::vector<size_t>{0, 1, 2});
  CHECK(taken(8, 30, 300).size() == 80);
  CHECK(taken(1, 29.97, 2997).size() == 100);
  Sampler sampler(1);
  sampler.took(50);
  CHECK_FALSE(sampler.due(50.2, 0.1));
  CHECK(sampler.due(0.1, 0.1));  // a clock that began anew
}

TEST_CASE("raw frames: formats, the end, and a cut") {
  CHECK(RawFormat::parse("640x480").frame_bytes() == 640 * 480 * 3);
  const RawFormat gray = RawFormat::parse("4x2:gray@25");
  CHECK(gray.frame_bytes() == 8);
  CHECK(gray.fps == 25);
  CHECK(RawFormat::parse("4x2:bgra").frame_bytes() == 32);
  CHECK(RawFormat::parse("4x2@0.000012").fps == 0.000012);  // about a frame a day
  for (const char* wrong : {"", "640", "x480", "640x", "0x4", "4x4:yuv", "4x4@0", "4x4@", "4x4@x",
                            "4x4@inf", "99999x4", "-4x4", "4x4:rgb24@30@30",
                            "4x4@1e-300", "4x4@0.00001"}) {
    CAPTURE(wrong);
    CHECK_THROWS_AS(RawFormat::parse(wrong), UsageError);
  }
  const auto frames = [&](size_t bytes, double fps, std::string& fault) {
    int ends[2];
    REQUIRE(pipe(ends) == 0);
    std::thread writer([&] {
      for (size_t i = 0; i < bytes; ++i) {  // in pieces that are no frames
        const uint8_t byte = static_cast<uint8_t>(i / 8);
        if (write(ends[1], &byte, 1) != 1) break;
      }
      close(ends[1]);
    });
    RawSource source(ends[0], gray, fps, [] { return false; });
    std::vector<uint64_t> seen;
    try {
      while (const auto frame = source.next()) {
        CHECK(static_cast<const uint8_t*>(frame->pixels.data)[7] == frame->index);
        CHECK(frame->pixels.stride == 4);
        CHECK(frame->seconds == doctest::Approx(static_cast<double>(frame->index) / 25));
        seen.push_back(frame->index);
      }
    } catch (const Error& e) {
      fault = e.what();
    }
    writer.join();
    close(ends[0]);
    return seen;
  };
  std::string fault;
  CHECK(frames(80, 0, fault).size() == 10);
  CHECK(fault.empty());
  CHECK(frames(200, 5, fault) == std::vector<uint64_t>{0, 5, 10, 15, 20});
  CHECK(frames(0, 5, fault).empty());
  CHECK(fault == "standard input: expected frames, found none");
  CHECK(frames(27, 0, fault).size() == 3);
  CHECK(fault == "standard input: frame 3: expected 8 bytes, found the end after 3");
  // A request to stop is heard while nothing comes.
  int ends[2];
  REQUIRE(pipe(ends) == 0);
  RawSource idle(ends[0], gray, 0, [] { return true; });
  CHECK_FALSE(idle.next().has_value());
  close(ends[0]);
  close(ends[1]);
}

TEST_CASE("pictures: times, and a file that is none") {
  const test::Folder folder;
  const std::string none = folder.write("a.ppm", "no picture");
  PictureSource source({none, folder.path() / "missing.png"}, 2, [] { return false; });
  CHECK(source.resumable());
  REQUIRE(source.file(0) != nullptr);
  CHECK(*source.file(0) == none);
  try {
    source.next();
    FAIL("a file that is no picture was read");
  } catch (const FileError& error) {
    CHECK(error.file == none);
    CHECK(std::string(error.what()).starts_with(none));
  }
  CHECK_THROWS_AS(source.next(), FileError);
  CHECK_FALSE(source.next().has_value());
}
