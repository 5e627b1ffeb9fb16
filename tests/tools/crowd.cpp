// SPDX-License-Identifier: LGPL-2.1-or-later
// So many processes at once, each of which maps files of one folder and reads the first byte of
// each: process I of N gets the files I, I+N, … or, where there are fewer files, I modulo their
// number. Prints "ready" when all have done it, and ends them when its standard input ends.
#include <dirent.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

namespace {

std::vector<std::string> files_of(const std::string& folder) {
  std::vector<std::string> files;
  DIR* const directory = opendir(folder.c_str());
  if (directory == nullptr) return files;
  while (const dirent* entry = readdir(directory)) {
    if (entry->d_name[0] != '.') files.push_back(folder + "/" + entry->d_name);
  }
  closedir(directory);
  std::sort(files.begin(), files.end());
  return files;
}

bool map_file(const std::string& path) {
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  struct stat status {};
  if (fd < 0 || fstat(fd, &status) != 0) return false;
  void* const at = mmap(nullptr, static_cast<size_t>(status.st_size), PROT_READ, MAP_SHARED, fd, 0);
  close(fd);
  if (at == MAP_FAILED) return false;
  (void)*static_cast<const volatile char*>(at);
  return true;
}

// Never returns. One byte in the pipe says that all is mapped.
void be_one(const std::vector<std::string>& files, size_t index, size_t processes, int done) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  bool good = true;
  if (index >= files.size()) good = map_file(files[index % files.size()]);
  for (size_t i = index; good && i < files.size(); i += processes) good = map_file(files[i]);
  if (!good || write(done, ".", 1) != 1) _exit(1);
  close(done);
  while (true) pause();
}

bool wait_for_all(int done, size_t processes) {
  char bytes[4096];
  while (processes > 0) {
    const ssize_t got = read(done, bytes, sizeof bytes);
    if (got <= 0) return false;
    processes -= static_cast<size_t>(got);
  }
  return true;
}

}  // namespace

int main(int argc, char** argv) {
  const size_t processes = argc == 3 ? std::strtoul(argv[1], nullptr, 10) : 0;
  const std::vector<std::string> files = argc == 3 ? files_of(argv[2]) : std::vector<std::string>();
  int ends[2];
  if (processes == 0 || files.empty() || pipe(ends) != 0) {
    std::fputs("usage: crowd PROCESSES FOLDER\n", stderr);
    return 2;
  }
  std::vector<pid_t> children;
  bool good = true;
  for (size_t i = 0; good && i < processes; ++i) {
    const pid_t pid = fork();
    if (pid == 0) be_one(files, i, processes, ends[1]);
    good = pid > 0;
    if (good) children.push_back(pid);
  }
  close(ends[1]);
  good = good && wait_for_all(ends[0], processes);
  std::puts(good ? "ready" : "failed");
  std::fflush(stdout);
  char byte = 0;
  while (good && read(STDIN_FILENO, &byte, 1) > 0) {
  }
  for (const pid_t pid : children) kill(pid, SIGKILL);
  for (const pid_t pid : children) waitpid(pid, nullptr, 0);
  return good ? 0 : 1;
}
