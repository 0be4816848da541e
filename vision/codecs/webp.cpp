// WebP through libwebp: lossy, lossless, with or without alpha; of an animation the first frame on
// the canvas, which Pillow's WebPAnimDecoder starts as transparent black.

#include <webp/decode.h>
#include <webp/demux.h>

#include <memory>

#include "../codec.h"

namespace sterna::vision {

Image decode_webp(Bytes bytes, const DecodeLimits& limits) {
  const WebPData data{reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size()};
  const std::unique_ptr<WebPDemuxer, void (*)(WebPDemuxer*)> demuxer(WebPDemux(&data),
                                                                     WebPDemuxDelete);
  if (!demuxer) throw Fault("truncated or broken WebP: its chunks do not add up");
  Image image = allocate(WebPDemuxGetI(demuxer.get(), WEBP_FF_CANVAS_WIDTH),
                         WebPDemuxGetI(demuxer.get(), WEBP_FF_CANVAS_HEIGHT), limits);

  struct Iterator : WebPIterator {
    Iterator() : WebPIterator{} {}
    Iterator(const Iterator&) = delete;
    Iterator& operator=(const Iterator&) = delete;
    ~Iterator() { WebPDemuxReleaseIterator(this); }
  } frame;
  if (WebPDemuxGetFrame(demuxer.get(), 1, &frame) == 0) throw Fault("WebP without a frame");
  const auto x = static_cast<size_t>(frame.x_offset), y = static_cast<size_t>(frame.y_offset);
  const auto w = static_cast<size_t>(frame.width), h = static_cast<size_t>(frame.height);
  if (x + w > image.width || y + h > image.height) {
    throw Fault("broken WebP: a frame that leaves its canvas");
  }
  const size_t first = (y * image.width + x) * 3;
  if (WebPDecodeRGBInto(frame.fragment.bytes, frame.fragment.size, image.rgb.data() + first,
                        image.rgb.size() - first, static_cast<int>(image.width * 3)) == nullptr) {
    throw Fault("truncated or broken WebP: its frame does not decode");
  }
  return image;
}

}  // namespace sterna::vision
