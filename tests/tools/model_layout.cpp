// SPDX-License-Identifier: LGPL-2.1-or-later
#include "model_layout.h"

#include <algorithm>
#include <cmath>

namespace tuneshift {
namespace {

// Small models have fewer layers, not thinner ones; always more than 10, so that by name layer 10
// comes before layer 2.
uint64_t layers_of(uint64_t payload_bytes) {
  return payload_bytes < 1ULL << 30 ? 12 : 32;
}

class Layout {
 public:
  void add(std::string name, std::vector<uint64_t> shape) {
    tensors_.push_back(Tensor{std::move(name), std::move(shape), end_});
    end_ += tensors_.back().bytes();
  }
  [[nodiscard]] uint64_t end() const { return end_; }
  std::vector<Tensor> take() { return std::move(tensors_); }

 private:
  std::vector<Tensor> tensors_;
  uint64_t end_ = 0;
};

void add_layer(Layout& layout, uint64_t index, uint64_t hidden) {
  const std::string prefix = "model.layers." + std::to_string(index) + ".";
  const uint64_t heads = hidden / 4;  // grouped-query attention
  const uint64_t inner = hidden * 5 / 2;
  layout.add(prefix + "input_layernorm.weight", {hidden});
  layout.add(prefix + "self_attn.q_proj.weight", {hidden, hidden});
  layout.add(prefix + "self_attn.k_proj.weight", {heads, hidden});
  layout.add(prefix + "self_attn.v_proj.weight", {heads, hidden});
  layout.add(prefix + "self_attn.o_proj.weight", {hidden, hidden});
  layout.add(prefix + "post_attention_layernorm.weight", {hidden});
  layout.add(prefix + "mlp.gate_proj.weight", {inner, hidden});
  layout.add(prefix + "mlp.up_proj.weight", {inner, hidden});
  layout.add(prefix + "mlp.down_proj.weight", {hidden, inner});
}

}  // namespace

uint64_t Tensor::elements() const {
  uint64_t product = 1;
  for (uint64_t dimension : shape) product *= dimension;
  return product;
}

std::vector<Tensor> lay_out_model(uint64_t payload_bytes) {
  // A layer has 10 h² + 2 h elements; a sixteenth of the file is left for the embedding.
  const uint64_t layers = layers_of(payload_bytes);
  const double per_layer = static_cast<double>(payload_bytes / layers) / 2 * 15 / 16;
  const auto root = static_cast<uint64_t>(std::sqrt(per_layer / 10.5));
  const uint64_t hidden = std::max<uint64_t>(16, root / 16 * 16);
  Layout layout;
  for (uint64_t index = 0; index < layers; ++index) add_layer(layout, index, hidden);
  layout.add("model.norm.weight", {hidden});
  const uint64_t rows = (payload_bytes - layout.end()) / 2 / hidden;
  if (rows > 0) layout.add("model.embed_tokens.weight", {rows, hidden});
  const uint64_t rest = (payload_bytes - layout.end()) / 2;
  if (rest > 0) layout.add("lm_head.bias", {rest});
  return layout.take();
}

}  // namespace tuneshift
