#pragma once

#include <sterna/decoder/gate.h>

#include <cstddef>
#include <memory>

namespace sterna::decoder {

// Online selective decoding: causal detection of changes with bounded delay. Both gates look at the
// directions of the frames of the last `window` seconds, x_i with |x_i| = 1, each weighed by the
// seconds w_i since the frame before; S = sum w_i x_i over some frames, W = sum w_i.
//
// 2 (W - |S|) = sum w_i |x_i - S/|S||^2 is what a segment costs if one direction stands for it.
// Splitting frames into an earlier part 0 and a later part 1 saves
//     G = 2 (|S0| + |S1| - |S0 + S1|)   seconds times squared distance:
// Ward's merge cost on the sphere. For frames drawn from von Mises-Fisher distributions of equal
// concentration kappa, kappa G / 2 is the logarithm of the generalised likelihood ratio of "the
// mean direction changed here" against "it did not" (Mardia & Jupp, Directional Statistics, 2000,
// section 10.4, after the normalising constants cancel).
//
// Delay: a boundary is never reported more than `window` seconds after the frame at which it lies,
// or one frame where frames are rarer than that. Memory: O(ticks d), whatever the frame rate and
// the length of the stream; nothing is allocated after construction.

/// What both gates take; their constructors throw Error for what is out of range.
struct ChangeConfig {
  size_t dim = 0;           // numbers of an embedding
  double window = 1.0;      // seconds: the greatest delay
  double min_dwell = 0.5;   // seconds: no segment but the last is shorter
  size_t ticks = 32;        // resolution: frames closer than window/ticks are taken together
  double max_step = 0.5;    // seconds: what a frame weighs at most, after a gap in the stream
  double threshold = 0.08;  // statistic at which a change is seen; where adapting starts
  double hysteresis = 0.5;  // a change that was seen is forgotten below this share of threshold
  double target_rate = 0;   // decodes a second the threshold adapts to; 0: it stays
  double gain = 0.2;        // adapting: step of log threshold at each change
};

/// The threshold that makes changes come at a target rate, found by stochastic approximation
/// (Robbins & Monro 1951): each change raises log h by g, each second lowers it by g rate. In
/// balance there are `rate` changes a second; g shrinks from 5 gain to gain with the changes seen.
class AdaptiveThreshold {
 public:
  /// h stays within [least, most]. rate = 0: it stays at `start`.
  AdaptiveThreshold(double start, double rate, double gain, double least, double most);
  double value() const { return value_; }  // h
  /// So many seconds went by, which lowers h.
  void elapse(double seconds);
  /// A change was seen, which raises h.
  void change();

 private:
  double step() const;
  double value_, rate_, gain_, least_, most_;
  double changes_ = 0;
};

/// What the two gates share: the frames of the window, the open segment, and where it is split.
class ChangeWindow;

/// Windowed variance against a threshold, as in VL-JEPA (arXiv 2512.10942, selective decoding):
/// 1 - |S|^2 / W^2 over the window. A change is seen when it reaches the threshold, and no other
/// until it has fallen below hysteresis times its peak. The paper does not say where the change
/// lies; here the boundary is the split of the window with the largest G, and the window then holds
/// what follows.
class VarianceGate : public Gate {
 public:
  /// Throws Error naming a member of the config that is out of range.
  explicit VarianceGate(const ChangeConfig& config);
  ~VarianceGate() override;
  Push push(double time, std::span<const float> embedding) override;
  void finish() override;
  const Segment* next() override;
  double statistic() const override { return statistic_; }
  double threshold() const override { return threshold_.value(); }

 private:
  ChangeConfig config_;
  std::unique_ptr<ChangeWindow> window_;
  AdaptiveThreshold threshold_;
  double statistic_ = 0;
  bool armed_ = true;
  double peak_ = 0;  // largest statistic since the last change
};

/// CUSUM on the sphere: the window-limited generalised likelihood ratio test (Siegmund &
/// Venkatraman 1995, Ann. Statist. 23; Lai 1998, IEEE Trans. Inf. Theory 44) for the mean
/// direction. Statistic: the largest G over the splits of the window, where part 0 reaches back
/// over the open segment (with a memory of `memory` seconds, so that slow drift is followed and not
/// reported).
///
/// A change is seen when G reaches max(threshold, noise_factor * q), with q the running median of G
/// between neighbouring ticks, the stream's own noise. It is reported when what follows it has
/// lasted min_dwell (half a window at most) and has settled (part 1 costs at most `settled` of G: a
/// dissolve or a camera movement is over), or when the window ends; it is dropped if G falls below
/// hysteresis * threshold first: a flash changes nothing.
class CusumGate : public Gate {
 public:
  struct Config : ChangeConfig {
    double memory = 30;
    double settled = 0.3;
    double noise_factor = 3;
  };
  /// Throws Error naming a member of the config that is out of range.
  explicit CusumGate(const Config& config);
  ~CusumGate() override;
  Push push(double time, std::span<const float> embedding) override;
  void finish() override;
  const Segment* next() override;
  double statistic() const override { return statistic_; }
  double threshold() const override;

 private:
  void track_noise();
  /// What follows a change must last too, but not so long that the window could not show it.
  bool lasted(double seconds) const;

  Config config_;
  std::unique_ptr<ChangeWindow> window_;
  AdaptiveThreshold threshold_;
  double noise_ = 0;
  size_t noise_ticks_ = 0;
  double statistic_ = 0;
  bool pending_ = false;
  bool finished_ = false;
};

}  // namespace sterna::decoder
