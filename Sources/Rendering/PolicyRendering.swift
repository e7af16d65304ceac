// SPDX-License-Identifier: Apache-2.0
import Datapath

extension PolicyText {
    package var json: JSON {
        [
            "generation": JSON(generation), "sha256": .string(sha256),
            "files": .array(files.map { ["name": .string($0.name), "text": .string($0.text)] }),
        ]
    }

    package func words(isTerminal: Bool) -> Words {
        let texts = files.map { file -> Words in
            let text = PolicyText.ended(file.text)
            let words = isTerminal ? Words(lines: text) : Words(verbatim: text)
            return files.count == 1 ? words : "# ---- \(file.name)\n\(words)"
        }
        return texts.joined(separator: "\n")
    }

    private static func ended(_ text: String) -> String { text.isEmpty || text.hasSuffix("\n") ? text : text + "\n" }
}
