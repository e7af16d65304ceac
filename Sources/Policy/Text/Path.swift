// SPDX-License-Identifier: Apache-2.0

/// Paths as text; nothing here looks at a disk.
enum Path {
    /// What stands before the last slash; "." where there is none.
    static func directory(of path: String) -> String {
        guard let slash = path.lastIndex(of: "/") else { return "." }
        return slash == path.startIndex ? "/" : String(path[..<slash])
    }

    /// `path` as seen from `directory`, with `.` and `..` taken out where the text allows it.
    static func join(_ directory: String, _ path: String) -> String {
        let whole = path.hasPrefix("/") || directory == "." ? path : directory + "/" + path
        var parts: [Substring] = []
        for part in whole.split(separator: "/") where part != "." {
            if part == "..", let last = parts.last, last != ".." { parts.removeLast() } else { parts.append(part) }
        }
        return (whole.hasPrefix("/") ? "/" : "") + parts.joined(separator: "/")
    }
}
