// What the mayfly command's exit status says.
//
// The numbers are part of the interface: scripts branch on them. Those of failures lie between 64
// and 80, so that `mayfly run`, which passes its COMMAND's own status on, is rarely mistaken for
// it; where <sysexits.h> has a number of the same meaning, it is that number.
#pragma once

namespace mayfly::tools {

enum ExitStatus : int {
  kOk = 0,
  kChecksFailed = 1,  ///< `mayfly doctor` found something that does not work, `mayfly attest
                      ///< verify` or `mayfly token verify` something that does not hold, an
                      ///< attack of `mayfly drill` succeeded
  kUsage = 2,         ///< the command line makes no sense

  kBadTaskId = 64,  ///< a task ID is empty, too long, or holds control characters
  kBadPolicy = 65,  ///< the configuration has no policy of that name
  kBadTtl = 65,     ///< a length of time that is none, or longer than the configuration allows
  kNoConfiguration = 66,  ///< there is no configuration file
  kNoInput = 66,          ///< a file that the command line names can't be read
  kAlreadyExists = 67,    ///< what should be made is there already
  kTaskExists = 68,       ///< a task of that ID is open
  kDeviceMissing = 69,    ///< the device's library or token is not there
  kInternal = 70,         ///< a fault of mayfly's own
  kSystem = 71,        ///< the operating system refused: no memory, descriptors or processes left
  kDeviceFailed = 72,  ///< the device answered with an error
  kCannotWrite = 73,   ///< a folder or file can't be made or written: permission, read-only
  kDiskFull = 74,      ///< no space is left
  kTryAgain = 75,      ///< a limit is reached that time may lift
  kGrantRefused = 76,  ///< the grant is not one, does not hold, or is missing
  kRefused = 76,       ///< `mayfly credential issue`: the task is over, or its key does not answer
  kWrongPin = 77,      ///< the device refused the PIN, or its source can't be read
  kNotAllowed = 79,    ///< the policy, or who was asked, does not let this user open a task
  kBadConfiguration = 78,  ///< the configuration file is wrong, or not safe to use

  kCannotExecute = 126,  ///< `mayfly run`: COMMAND was found but can't be executed
  kNotFound = 127,       ///< `mayfly run`: there is no COMMAND
};

}  // namespace mayfly::tools
