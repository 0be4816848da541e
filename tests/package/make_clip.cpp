// make_clip OUT.avi: two seconds of video: a red square drifts over green, then blue over grey.
#include <cstdio>
#include <opencv2/core.hpp>
#include <opencv2/videoio.hpp>

int main(int argc, char** argv) {
  if (argc != 2) return 2;
  const cv::Size size(160, 120);
  cv::VideoWriter writer(argv[1], cv::CAP_OPENCV_MJPEG, cv::VideoWriter::fourcc('M', 'J', 'P', 'G'),
                         10, size);
  if (!writer.isOpened()) {
    std::fprintf(stderr, "%s: can't be written\n", argv[1]);
    return 1;
  }
  for (int i = 0; i < 20; ++i) {
    const bool first = i < 10;
    cv::Mat frame(size, CV_8UC3, first ? cv::Scalar(40, 160, 40) : cv::Scalar(128, 128, 128));
    frame(cv::Rect(5 * i, 30, 50, 50))
        .setTo(first ? cv::Scalar(30, 30, 200) : cv::Scalar(200, 60, 30));
    writer.write(frame);
  }
  return 0;
}
