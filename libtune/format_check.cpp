// SPDX-License-Identifier: LGPL-2.1-or-later
#include "libtune/format_check.h"

namespace tuneshift {

namespace {

using Detail = std::optional<std::string>;

uint64_t little_endian(std::string_view bytes, size_t offset, size_t width) {
  uint64_t number = 0;
  for (size_t i = width; i-- > 0;) {
    number = number << 8 | static_cast<unsigned char>(bytes[offset + i]);
  }
  return number;
}

// u64 length of a JSON object, then the object. The format's own library refuses headers over
// 100 MB.
Detail as_safetensors(std::string_view bytes, uint64_t file_size) {
  constexpr uint64_t max_header = 100000000;
  if (bytes.size() < 10 || bytes[8] != '{') return std::nullopt;
  const uint64_t length = little_endian(bytes, 0, 8);
  if (length < 2 || length > max_header || length > file_size - 8) return std::nullopt;
  constexpr std::string_view begins_object = "\"} \t\r\n";
  if (begins_object.find(bytes[9]) == std::string_view::npos) return std::nullopt;
  return "safetensors, header of " + std::to_string(length) + " bytes";
}

// Magic, u32 version, then the counts of tensors and of keys: u32 in version 1, u64 since.
Detail as_gguf(std::string_view bytes, uint64_t file_size) {
  if (bytes.size() < 24 || bytes.substr(0, 4) != "GGUF") return std::nullopt;
  const uint64_t version = little_endian(bytes, 4, 4);
  if (version < 1 || version > 3) return std::nullopt;
  const size_t width = version == 1 ? 4 : 8;
  const uint64_t tensors = little_endian(bytes, 8, width);
  const uint64_t keys = little_endian(bytes, 8 + width, width);
  constexpr uint64_t smallest_entry = 12;  // a name's length and a type at the least
  const uint64_t most = file_size / smallest_entry;
  if (tensors > most || keys > most) return std::nullopt;
  return "GGUF version " + std::to_string(version) + ", " + std::to_string(tensors) + " tensors";
}

struct ZipEntry {
  std::string_view name;
  bool stored = false;
};

// The first local file header of a zip archive: APPNOTE.TXT 4.3.7.
std::optional<ZipEntry> first_zip_entry(std::string_view bytes) {
  constexpr size_t fixed_part = 30;
  if (bytes.size() < fixed_part || bytes.substr(0, 4) != "PK\3\4") return std::nullopt;
  const uint64_t length = little_endian(bytes, 26, 2);
  if (length > bytes.size() - fixed_part) return std::nullopt;
  return ZipEntry{bytes.substr(fixed_part, length), little_endian(bytes, 8, 2) == 0};
}

// As torch.save writes it: "archive/data.pkl", stored.
Detail as_torch_zip(std::string_view bytes) {
  const auto entry = first_zip_entry(bytes);
  constexpr std::string_view pickle = "data.pkl";
  if (!entry || !entry->stored || !entry->name.ends_with(pickle)) return std::nullopt;
  const size_t before = entry->name.size() - pickle.size();
  if (before > 0 && entry->name[before - 1] != '/') return std::nullopt;
  return "torch archive";
}

// As numpy.savez writes it, stored or deflated: one .npy for each array.
Detail as_npz(std::string_view bytes) {
  const auto entry = first_zip_entry(bytes);
  if (!entry || !entry->name.ends_with(".npy")) return std::nullopt;
  return "archive of numpy arrays";
}

// PROTO with the version; from protocol 4 on a FRAME with its length follows (PEP 3154).
Detail as_pickle(std::string_view bytes, uint64_t file_size) {
  if (bytes.size() < 11 || bytes[0] != '\x80') return std::nullopt;
  const auto protocol = static_cast<unsigned char>(bytes[1]);
  if (protocol < 2 || protocol > 5) return std::nullopt;
  const bool framed = bytes[2] == '\x95';
  if (framed != (protocol >= 4)) return std::nullopt;
  if (framed && little_endian(bytes, 3, 8) > file_size - 11) return std::nullopt;
  return "pickle of protocol " + std::to_string(protocol);
}

}  // namespace

std::optional<std::string> check_format(FormatCheck check, std::string_view beginning,
                                        uint64_t file_size) {
  if (file_size < beginning.size()) return std::nullopt;
  switch (check) {
    case FormatCheck::safetensors:
      return as_safetensors(beginning, file_size);
    case FormatCheck::gguf:
      return as_gguf(beginning, file_size);
    case FormatCheck::torch_zip:
      return as_torch_zip(beginning);
    case FormatCheck::npz:
      return as_npz(beginning);
    case FormatCheck::pickle:
      return as_pickle(beginning, file_size);
    case FormatCheck::none:
      break;
  }
  return std::nullopt;
}

}  // namespace tuneshift
