#include <thread>

int plan_many_one();
int plan_many_two();

int main() {
  int wrong[4];
  std::thread threads[] = {
      std::thread([&] { wrong[0] = plan_many_one(); }), std::thread([&] { wrong[1] = plan_many_two(); }),
      std::thread([&] { wrong[2] = plan_many_one(); }), std::thread([&] { wrong[3] = plan_many_two(); })};
  for (auto& thread : threads) thread.join();
  return wrong[0] + wrong[1] + wrong[2] + wrong[3];
}
