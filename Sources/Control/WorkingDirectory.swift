// SPDX-License-Identifier: Apache-2.0
import Glibc

/// Where relative paths start.
enum WorkingDirectory {
    /// nil: it was removed, or may not be read.
    static var path: String? {
        guard let text = unsafe getcwd(nil, 0) else { return nil }
        defer { unsafe free(text) }
        return unsafe String(cString: text)
    }
}
