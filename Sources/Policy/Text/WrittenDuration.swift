// SPDX-License-Identifier: Apache-2.0

/// A duration as people write it: `90s`, `5m`, `2h`, `1d` or `0`.
public enum WrittenDuration {
    private static let units: [Character: Int] = ["s": 1, "m": 60, "h": 3600, "d": 86400]

    /// The duration in seconds; nil if the text is not a duration.
    public static func seconds(_ text: String) -> Int? {
        if text == "0" { return 0 }
        guard let unit = text.last.flatMap({ units[$0] }), let count = Problems.decimal(text.dropLast()),
            count <= 1_000_000_000
        else { return nil }
        return count * unit
    }
}
