#include "unit.hpp"

Unit baseline() { return this_unit(); }
