// SPDX-License-Identifier: LGPL-2.1-or-later
#include "model_headers.h"

#include <zlib.h>

#include <algorithm>

namespace tuneshift {
namespace {

template <typename Integer>
void put(std::string& out, Integer value) {
  for (size_t byte = 0; byte < sizeof(value); ++byte) {
    out.push_back(static_cast<char>(static_cast<uint64_t>(value) >> (8 * byte)));
  }
}

void pad_to(std::string& out, size_t alignment, char filler) {
  while (out.size() % alignment != 0) out.push_back(filler);
}

std::string list_of(const std::vector<uint64_t>& numbers) {
  std::string out;
  for (uint64_t number : numbers) out += (out.empty() ? "" : ",") + std::to_string(number);
  return out;
}

// The header lists tensors by name, as Python's sorted() would: layer 10 before layer 2, unlike
// the payload. Readers that go by the header therefore jump.
std::string safetensors_head(std::vector<Tensor> tensors, bool bf16) {
  std::sort(tensors.begin(), tensors.end(),
            [](const Tensor& a, const Tensor& b) { return a.name < b.name; });
  std::string json = R"({"__metadata__":{"format":"pt"})";
  for (const Tensor& tensor : tensors) {
    json += ",\"" + tensor.name + R"(":{"dtype":")" + (bf16 ? "BF16" : "F16") + R"(","shape":[)" +
            list_of(tensor.shape) + R"(],"data_offsets":[)" +
            list_of({tensor.offset, tensor.offset + tensor.bytes()}) + "]}";
  }
  json += "}";
  // To 8 would do, but so the payload's size rarely moves the header's.
  json.resize((8 + json.size() + 4095) / 4096 * 4096 - 8, ' ');
  std::string head;
  put<uint64_t>(head, json.size());
  return head + json;
}

void put_gguf_string(std::string& out, const std::string& text) {
  put<uint64_t>(out, text.size());
  out += text;
}

std::string gguf_head(const std::vector<Tensor>& tensors, bool bf16) {
  constexpr uint32_t string_type = 8;
  constexpr uint32_t uint32_type = 4;
  std::string head = "GGUF";
  put<uint32_t>(head, 3);
  put<uint64_t>(head, tensors.size());
  put<uint64_t>(head, 2);
  put_gguf_string(head, "general.architecture");
  put<uint32_t>(head, string_type);
  put_gguf_string(head, "llama");
  put_gguf_string(head, "general.alignment");
  put<uint32_t>(head, uint32_type);
  put<uint32_t>(head, 32);
  for (const Tensor& tensor : tensors) {
    put_gguf_string(head, tensor.name);
    put<uint32_t>(head, static_cast<uint32_t>(tensor.shape.size()));
    // GGUF counts the fastest dimension first.
    for (size_t i = tensor.shape.size(); i-- > 0;) put<uint64_t>(head, tensor.shape[i]);
    put<uint32_t>(head, bf16 ? 30 : 1);
    put<uint64_t>(head, tensor.offset);
  }
  pad_to(head, 32, '\0');
  return head;
}

void pickle_text(std::string& out, const std::string& text) {
  out += 'X';
  put<uint32_t>(out, static_cast<uint32_t>(text.size()));
  out += text;
}

void pickle_number(std::string& out, uint64_t number) {
  out += "\x8a\x09";  // LONG1, nine bytes: never negative
  put<uint64_t>(out, number);
  out += '\0';
}

void pickle_tuple(std::string& out, const std::vector<uint64_t>& numbers) {
  out += '(';
  for (uint64_t number : numbers) pickle_number(out, number);
  out += 't';
}

// What torch.save() writes for a dictionary of views into one storage.
std::string torch_pickle(const std::vector<Tensor>& tensors, uint64_t elements, bool bf16) {
  std::string out = "\x80\x02}(";
  for (const Tensor& tensor : tensors) {
    pickle_text(out, tensor.name);
    out += "ctorch._utils\n_rebuild_tensor_v2\n((";
    pickle_text(out, "storage");
    out += std::string("ctorch\n") + (bf16 ? "BFloat16Storage" : "HalfStorage") + "\n";
    pickle_text(out, "0");
    pickle_text(out, "cpu");
    pickle_number(out, elements);
    out += "tQ";
    pickle_number(out, tensor.offset / 2);
    pickle_tuple(out, tensor.shape);
    const bool matrix = tensor.shape.size() == 2;
    pickle_tuple(out,
                 matrix ? std::vector<uint64_t>{tensor.shape[1], 1} : std::vector<uint64_t>{1});
    out +=
        "\x89"
        "ccollections\nOrderedDict\n)RtR";
  }
  return out + "u.";
}

// A zip with stored entries; 64-bit sizes throughout, as torch writes them.
class Zip {
 public:
  void add(const std::string& name, const std::string& data) {
    const auto crc = static_cast<uint32_t>(
        crc32(0, reinterpret_cast<const Bytef*>(data.data()), static_cast<uInt>(data.size())));
    add_entry(name, data.size(), crc);
    head_ += data;
  }

  /// Adds the entry whose bytes come after the head; must be the last.
  void add_payload(const std::string& name, uint64_t bytes) {
    checksum_at_.push_back(head_.size() + 14);
    add_entry(name, bytes, 0);
    const size_t directory_offset = head_.size() + bytes;
    checksum_at_.push_back(directory_offset + last_entry_ + 16);
    finish(directory_offset);
  }

  ModelFrame frame(uint64_t payload_bytes) {
    return {head_, payload_bytes, directory_, checksum_at_};
  }

 private:
  void add_entry(const std::string& name, uint64_t bytes, uint32_t crc) {
    const uint64_t offset = head_.size();
    std::string sizes;
    put<uint64_t>(sizes, bytes);
    put<uint64_t>(sizes, bytes);
    put_header(head_, "PK\3\4", crc, name);
    put_extra(head_, name, sizes, true);
    last_entry_ = directory_.size();
    put_header(directory_, std::string("PK\1\2\x2d\0", 6), crc, name);
    put<uint64_t>(sizes, offset);
    put_extra(directory_, name, sizes, false);
    ++entries_;
  }

  static void put_header(std::string& out, const std::string& start, uint32_t crc,
                         const std::string& name) {
    out += start;
    put<uint16_t>(out, 45);
    put<uint16_t>(out, 0);
    put<uint16_t>(out, 0);         // stored
    put<uint32_t>(out, 0x210000);  // 1980-01-01
    put<uint32_t>(out, crc);
    put<uint32_t>(out, UINT32_MAX);
    put<uint32_t>(out, UINT32_MAX);
    put<uint16_t>(out, static_cast<uint16_t>(name.size()));
  }

  // The data of a local entry starts at a multiple of 64, as torch aligns it.
  static void put_extra(std::string& out, const std::string& name, const std::string& sizes,
                        bool local) {
    const size_t fixed = out.size() + 2 + name.size() + 4 + sizes.size();
    const size_t padding = local ? 4 + (64 - (fixed + 4) % 64) % 64 : 0;
    put<uint16_t>(out, static_cast<uint16_t>(4 + sizes.size() + padding));
    if (!local) {
      put<uint16_t>(out, 0);  // comment
      put<uint16_t>(out, 0);  // disk
      put<uint16_t>(out, 0);
      put<uint32_t>(out, 0);
      put<uint32_t>(out, UINT32_MAX);  // offset: in the extra field
    }
    out += name;
    put<uint16_t>(out, 1);
    put<uint16_t>(out, static_cast<uint16_t>(sizes.size()));
    out += sizes;
    if (local) {
      out += "FB";
      put<uint16_t>(out, static_cast<uint16_t>(padding - 4));
      out.append(padding - 4, 'Z');
    }
  }

  void finish(uint64_t directory_offset) {
    const uint64_t directory_bytes = directory_.size();
    directory_ += "PK\6\6";
    put<uint64_t>(directory_, 44);
    put<uint16_t>(directory_, 45);
    put<uint16_t>(directory_, 45);
    put<uint32_t>(directory_, 0);
    put<uint32_t>(directory_, 0);
    put<uint64_t>(directory_, entries_);
    put<uint64_t>(directory_, entries_);
    put<uint64_t>(directory_, directory_bytes);
    put<uint64_t>(directory_, directory_offset);
    directory_ += "PK\6\7";
    put<uint32_t>(directory_, 0);
    put<uint64_t>(directory_, directory_offset + directory_bytes);
    put<uint32_t>(directory_, 1);
    directory_ += "PK\5\6";
    put<uint32_t>(directory_, 0);
    put<uint16_t>(directory_, static_cast<uint16_t>(entries_));
    put<uint16_t>(directory_, static_cast<uint16_t>(entries_));
    put<uint32_t>(directory_, UINT32_MAX);
    put<uint32_t>(directory_, UINT32_MAX);
    put<uint16_t>(directory_, 0);
  }

  std::string head_;
  std::string directory_;
  std::vector<size_t> checksum_at_;
  size_t last_entry_ = 0;
  uint64_t entries_ = 0;
};

ModelFrame frame_for(ModelFormat format, uint64_t payload_bytes, bool bf16) {
  const std::vector<Tensor> tensors = lay_out_model(payload_bytes);
  if (format == ModelFormat::safetensors) {
    return {safetensors_head(tensors, bf16), payload_bytes, {}, {}};
  }
  if (format == ModelFormat::gguf) return {gguf_head(tensors, bf16), payload_bytes, {}, {}};
  Zip zip;
  zip.add("archive/data.pkl", torch_pickle(tensors, payload_bytes / 2, bf16));
  zip.add("archive/byteorder", "little");
  zip.add("archive/version", "3\n");
  zip.add_payload("archive/data/0", payload_bytes);
  return zip.frame(payload_bytes);
}

}  // namespace

ModelFrame make_frame(ModelFormat format, uint64_t file_bytes, bool bf16) {
  // The head names sizes of the payload, and the payload is what the head leaves: a few rounds
  // settle it.
  uint64_t frame_bytes = 0;
  for (int round = 0; round < 16; ++round) {
    ModelFrame frame = frame_for(format, file_bytes - frame_bytes, bf16);
    const uint64_t needed = frame.head.size() + frame.tail.size();
    if (needed == frame_bytes) return frame;
    frame_bytes = needed;
  }
  return {};
}

}  // namespace tuneshift
