// SPDX-License-Identifier: Apache-2.0

/// Operations on paths as text; none of them looks at the disk.
enum Path {
    /// The part before the last slash, or "." if there is none.
    static func directory(of path: String) -> String {
        guard let slash = path.lastIndex(of: "/") else { return "." }
        return slash == path.startIndex ? "/" : String(path[..<slash])
    }

    /// `path` relative to `directory`, with `.` and `..` removed where the text alone allows it.
    static func join(_ directory: String, _ path: String) -> String {
        let whole = path.hasPrefix("/") || directory == "." ? path : directory + "/" + path
        var parts: [Substring] = []
        for part in whole.split(separator: "/") where part != "." {
            if part == "..", let last = parts.last, last != ".." { parts.removeLast() } else { parts.append(part) }
        }
        return (whole.hasPrefix("/") ? "/" : "") + parts.joined(separator: "/")
    }
}
