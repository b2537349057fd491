<?php
// The document and its head in PHP-FPM: two files read from the page cache, as a small script would do it.
$document = file_get_contents(__DIR__ . '/../document.json');
foreach (file(__DIR__ . '/../head.txt', FILE_IGNORE_NEW_LINES | FILE_SKIP_EMPTY_LINES) as $line) {
    header(trim($line));
}
header('Content-Length: ' . strlen($document));
echo $document;
