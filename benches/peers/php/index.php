<?php
// The document in PHP-FPM: one file read from the page cache, as a small script would do it.
$document = file_get_contents(__DIR__ . '/../document.json');
header('Content-Type: application/json');
header('Content-Length: ' . strlen($document));
echo $document;
